"""Granting credit, setting a balance, and reading one. Amounts in nano-USD; time is the database's clock.

Whoever changes money first locks the account's row, in a statement of its own, and reads after that: what it reads then
is what the last holder of the lock committed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.billing.models import Book, CreditPool, LedgerTransaction, PoolKind, Posting, TransactionKind
from apps.core.ids import uuid7
from apps.core.money import MAX_NANO, usd_from_nano

log = logging.getLogger(__name__)

BURN_ORDER = ("kind", F("expires_at").asc(nulls_last=True), "created_at", "id")


class ReferenceReused(ValueError):
    """The reference is booked already, for another account or another amount."""


class CreditHeld(ValueError):
    """Open requests hold more than the balance that was asked for."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A booked grant; `created` is False when it had been booked before."""

    pool_id: int
    transaction_id: int
    created: bool


@dataclass(frozen=True, slots=True)
class PoolBalance:
    """What counts of a pool: all that remains until it expires, and only what open requests hold of it afterwards."""

    id: int
    kind: PoolKind
    expires_at: datetime | None
    granted: int
    remaining: int
    held: int

    @property
    def free(self) -> int:
        """What a new request may take."""
        return self.remaining - self.held


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has, pool by pool in burn order."""

    pools: tuple[PoolBalance, ...]

    @property
    def remaining(self) -> int:
        """The balance: spent only by what has ended."""
        return sum(pool.remaining for pool in self.pools)

    @property
    def held(self) -> int:
        """What open requests may still take."""
        return sum(pool.held for pool in self.pools)

    @property
    def available(self) -> int:
        """What a new request may take."""
        return self.remaining - self.held


@transaction.atomic
def grant_credit(
    account_id: int,
    amount: int,
    kind: PoolKind,
    reference: str,
    *,
    expires_at: datetime | None = None,
    transaction_kind: TransactionKind = TransactionKind.GRANT,
    book: Book = Book.PROMOTIONS,
    note: str = "",
) -> Grant:
    """Book `amount` nano-USD out of `book` into a new pool, once for each `transaction_kind` and `reference`.

    Repeating a call returns what it did the first time. Raises Account.DoesNotExist, ReferenceReused, and ValueError for an
    amount that is not from 1 to MAX_NANO.
    """
    if not 0 < amount <= MAX_NANO:
        raise ValueError(f"amount: {usd_from_nano(amount)} USD is not above 0 and at most {usd_from_nano(MAX_NANO)} USD")
    lock_account(account_id)
    if (earlier := earlier_grant(account_id, amount, reference, transaction_kind)) is not None:
        return earlier
    pool = CreditPool.objects.create(account_id=account_id, kind=kind, expires_at=expires_at, granted=amount, remaining=amount)
    try:
        with transaction.atomic():
            entry = book_transaction(account_id, transaction_kind, reference, {pool.pk: amount}, book, note)
    except IntegrityError:
        if not LedgerTransaction.objects.filter(kind=transaction_kind, reference=reference).exists():
            raise
        # Another account's grant took the reference between our look and our insert.
        raise ReferenceReused(f"{reference!r} is booked for another account") from None
    return Grant(pool.pk, entry.pk, created=True)


def earlier_grant(account_id: int, amount: int, reference: str, transaction_kind: TransactionKind = TransactionKind.GRANT) -> Grant | None:
    """What a reference granted already, if it did; exact under the account's lock. Raises ReferenceReused when that was another grant."""
    booked = LedgerTransaction.objects.filter(kind=transaction_kind, reference=reference).first()
    if booked is None:
        return None
    posting = booked.postings.filter(book=Book.POOL).first()
    if posting is None or posting.pool_id is None or booked.account_id != account_id or posting.amount != amount:
        raise ReferenceReused(f"{reference!r} is booked for another account or amount")
    return Grant(posting.pool_id, booked.pk, created=False)


@transaction.atomic
def set_balance(account_id: int, target: int, note: str = "") -> None:
    """Make the balance exactly `target` nano-USD: grant a promotion without expiry, or withdraw free credit in burn order.

    Raises Account.DoesNotExist, CreditHeld, and ValueError for a target that is not from 0 to MAX_NANO.
    """
    if not 0 <= target <= MAX_NANO:
        raise ValueError(f"balance: {usd_from_nano(target)} USD is not from 0 to {usd_from_nano(MAX_NANO)} USD")
    lock_account(account_id)
    current = balance(account_id)
    reference = f"balance:{uuid7()}"
    if target > current.remaining:
        grant_credit(account_id, target - current.remaining, PoolKind.PROMOTION, reference, note=note)
    elif target < current.held:
        raise CreditHeld(f"open requests hold {usd_from_nano(current.held)} USD: wait until they end")
    elif target < current.remaining:
        _withdraw(current, current.remaining - target, account_id, reference, note)


@transaction.atomic
def forfeit_credit(account_id: int) -> None:
    """Let all credit of an account that is being closed expire now. What open requests hold is honoured, as with any expiry;
    the sweep books the rest as breakage. Raises Account.DoesNotExist."""
    lock_account(account_id)
    CreditPool.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), account_id=account_id, remaining__gt=0).update(expires_at=Now())


def balance(account_id: int) -> Balance:
    """What the account has now. Exact only while the caller holds the account's lock."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    rows = (
        CreditPool.objects.filter(Q(held__gt=0) | unexpired, account_id=account_id, remaining__gt=0)
        .order_by(*BURN_ORDER)
        .values_list("id", "kind", "expires_at", "granted", Case(When(unexpired, then="remaining"), default="held"), "held")
    )
    return Balance(tuple(PoolBalance(pool, PoolKind(kind), *rest) for pool, kind, *rest in rows))


def lock_account(account_id: int) -> Account:
    """Take the account's lock until the end of the transaction. Raises Account.DoesNotExist."""
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


@contextmanager
def sweeping(account_id: int) -> Iterator[None]:
    """A sweep's turn at one account: a transaction that waits for its locks two seconds each. An account that somebody holds longer is
    left to the next sweep, which a warning says, and the others have their turn."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            yield
    except OperationalError as error:
        log.warning("Account %s is left to the next sweep: %s", account_id, error)


def book_transaction(
    account_id: int, kind: TransactionKind, reference: str, pools: dict[int, int], book: Book, note: str = "", *, owed: int = 0
) -> LedgerTransaction:
    """Write a ledger transaction: what goes into (+) or out of (−) each pool by its id and into the receivables (`owed`: − is what the
    customer owes more, + what they owe less), and the opposite of the sum in `book`.

    Changes no pool. Raises IntegrityError when `kind` and `reference` are booked already.
    """
    entry = LedgerTransaction.objects.create(account_id=account_id, kind=kind, reference=reference, note=note, created_at=Now())
    lines = [
        Posting(transaction=entry, account_id=account_id, book=Book.POOL, pool_id=pool, amount=amount) for pool, amount in pools.items()
    ]
    if owed:
        lines.append(Posting(transaction=entry, account_id=account_id, book=Book.RECEIVABLES, amount=owed))
    if rest := -sum(pools.values()) - owed:
        lines.append(Posting(transaction=entry, account_id=account_id, book=book, amount=rest))
    Posting.objects.bulk_create(lines)  # one statement: each statement's lines have to balance
    return entry


def _withdraw(current: Balance, amount: int, account_id: int, reference: str, note: str) -> None:
    taken: dict[int, int] = {}
    for pool in current.pools:
        part = min(amount, pool.free)
        if part:
            CreditPool.objects.filter(pk=pool.id).update(remaining=F("remaining") - part)
            taken[pool.id] = -part
            amount -= part
    book_transaction(account_id, TransactionKind.ADJUSTMENT, reference, taken, Book.ADJUSTMENTS, note)
