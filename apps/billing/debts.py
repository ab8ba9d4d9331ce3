"""What an account owes because money went back that was spent already: taking it, collecting it, and suspending meanwhile.

Everything here is called under the account's lock, inside a transaction.
"""

from __future__ import annotations

from django.db.models import F

from apps.accounts.models import Account, AccountStatus
from apps.billing.credits import balance, book_transaction, lock_account, sweeping
from apps.billing.models import Book, CreditPool, Debt, NoticeKind, PoolKind, TransactionKind
from apps.billing.notices import owe_mail
from apps.core.ids import uuid7


def take_back(account_id: int, pool_id: int, amount: int, kind: TransactionKind, reference: str, note: str) -> None:
    """Money went back to the payer: take `amount` of free purchased credit, that of `pool_id` first. The rest is owed."""
    taken = _take_purchased(account_id, amount, first=pool_id)
    owed = amount - sum(taken.values())
    book_transaction(account_id, kind, reference, {pool: -part for pool, part in taken.items()}, Book.CASH, note, owed=-owed)
    _owe(account_id, owed)


def give_back(account_id: int, amount: int, kind: TransactionKind, reference: str, note: str) -> None:
    """The money is ours again: what is owed is less by it, and the rest is purchased credit."""
    paid = min(amount, debt_of(account_id))
    pools: dict[int, int] = {}
    if rest := amount - paid:
        pool = CreditPool.objects.create(account_id=account_id, kind=PoolKind.PURCHASED, granted=rest, remaining=rest)
        pools[pool.pk] = rest
    book_transaction(account_id, kind, reference, pools, Book.CASH, note, owed=paid)
    _owe(account_id, -paid)


def collect(account_id: int) -> None:
    """Pay what is owed with the purchased credit that is free now."""
    taken = _take_purchased(account_id, debt_of(account_id))
    if paid := sum(taken.values()):
        pools = {pool: -part for pool, part in taken.items()}
        book_transaction(account_id, TransactionKind.COLLECTION, f"debt:{uuid7()}", pools, Book.CASH, owed=paid)
    _owe(account_id, -paid)


def collect_all() -> None:
    """What open requests held may be free by now."""
    for account_id in Debt.objects.filter(amount__gt=0).order_by("account_id").values_list("account_id", flat=True):
        with sweeping(account_id):
            lock_account(account_id)
            collect(account_id)


def debt_of(account_id: int) -> int:
    """Nano-USD."""
    return Debt.objects.filter(account_id=account_id).values_list("amount", flat=True).first() or 0


def _take_purchased(account_id: int, amount: int, first: int | None = None) -> dict[int, int]:
    """Takes up to `amount` of the free purchased credit; by pool, what was taken."""
    taken: dict[int, int] = {}
    purchased = [pool for pool in balance(account_id).pools if pool.kind == PoolKind.PURCHASED]
    for pool in sorted(purchased, key=lambda pool: pool.id != first):
        part = min(amount, pool.free)
        if part:
            CreditPool.objects.filter(pk=pool.id).update(remaining=F("remaining") - part)
            taken[pool.id] = part
            amount -= part
    return taken


def _owe(account_id: int, more: int) -> None:
    """Changes what is owed, and with it whether the account is suspended: while it owes more than comes back to it anyway, because
    open requests only hold it."""
    debt = Debt.objects.filter(account_id=account_id).first()
    if debt is None:
        if not more:
            return
        debt = Debt(account_id=account_id)
    debt.amount += more
    account = Account.objects.get(pk=account_id)
    before = debt.suspended
    held = sum(pool.held for pool in balance(account_id).pools if pool.kind == PoolKind.PURCHASED)
    if debt.amount > held and account.status == AccountStatus.ACTIVE:
        debt.suspended, account.status = True, AccountStatus.SUSPENDED
        owe_mail(account_id, NoticeKind.SUSPENDED, f"{uuid7()}", debt=debt.amount)
    elif not debt.amount and debt.suspended:
        debt.suspended = False
        if account.status == AccountStatus.SUSPENDED:
            account.status = AccountStatus.ACTIVE
            owe_mail(account_id, NoticeKind.REINSTATED, f"{uuid7()}")
    if more or debt.suspended != before:  # a sweep looks every few seconds, and mostly finds nothing new
        debt.save()
    if debt.suspended != before:
        account.save(update_fields=["status"])
