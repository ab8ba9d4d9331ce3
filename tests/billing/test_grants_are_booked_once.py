"""Promise: a grant adds exactly its amount, once for each reference, and is balanced in the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connection

from apps.accounts.models import Account
from apps.billing import credits
from apps.billing.models import Book, CreditPool, LedgerTransaction, PoolKind, Posting, TransactionKind
from apps.core.ids import uuid7
from apps.core.money import MAX_NANO
from tests.people import new_customer

pytestmark = pytest.mark.money


@pytest.fixture
def account() -> Account:
    return new_customer().account


def reference() -> str:
    return f"tests:{uuid7()}"


def test_a_grant_is_one_pool_and_a_balanced_transaction(account: Account) -> None:
    until = datetime(2031, 2, 28, tzinfo=UTC)
    grant = credits.grant_credit(account.pk, 5_000, PoolKind.TRIAL, reference(), expires_at=until, note="welcome")
    pool = CreditPool.objects.get(pk=grant.pool_id)
    assert (pool.account, pool.kind, pool.granted, pool.remaining, pool.held, pool.expires_at) == (
        account,
        PoolKind.TRIAL,
        5_000,
        5_000,
        0,
        until,
    )
    entry = LedgerTransaction.objects.get(pk=grant.transaction_id)
    assert (entry.account, entry.kind, entry.note) == (account, TransactionKind.GRANT, "welcome")
    postings = Posting.objects.filter(transaction=entry).order_by("-amount").values_list("book", "pool_id", "amount", "account_id")
    assert list(postings) == [(Book.POOL, pool.pk, 5_000, account.pk), (Book.PROMOTIONS, None, -5_000, account.pk)]


def test_credit_can_come_out_of_another_book(account: Account) -> None:
    cause = reference()
    kind = TransactionKind.ADJUSTMENT  # a purchase needs a payment behind it
    grant = credits.grant_credit(account.pk, 10**10, PoolKind.PURCHASED, cause, transaction_kind=kind, book=Book.CASH)
    assert Posting.objects.get(transaction_id=grant.transaction_id, book=Book.CASH).amount == -(10**10)
    assert LedgerTransaction.objects.filter(kind=kind, reference=cause).count() == 1


def test_repeating_a_grant_returns_the_first_one(account: Account) -> None:
    cause = reference()
    first = credits.grant_credit(account.pk, 5_000, PoolKind.PROMOTION, cause)
    again = credits.grant_credit(account.pk, 5_000, PoolKind.PROMOTION, cause)
    assert (first.created, again.created) == (True, False)
    assert (again.pool_id, again.transaction_id) == (first.pool_id, first.transaction_id)
    assert credits.balance(account.pk).remaining == 5_000


def test_the_same_grant_many_times_at_once_is_booked_once(account: Account) -> None:
    cause = reference()

    def grant(number: int) -> bool:
        try:
            return credits.grant_credit(account.pk, 5_000, PoolKind.PROMOTION, cause).created
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(grant, range(16))) == 1
    assert credits.balance(account.pk).remaining == 5_000


def test_many_grants_at_once_all_count(account: Account) -> None:
    def grant(number: int) -> None:
        try:
            credits.grant_credit(account.pk, 1 + number, PoolKind.PROMOTION, reference())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(grant, range(20)))
    assert credits.balance(account.pk).remaining == sum(range(21))


def test_a_reference_of_another_account_or_amount_is_refused(account: Account) -> None:
    cause, other = reference(), new_customer().account
    credits.grant_credit(account.pk, 5_000, PoolKind.PROMOTION, cause)
    for account_id, amount in ((account.pk, 5_001), (other.pk, 5_000)):
        with pytest.raises(credits.ReferenceReused):
            credits.grant_credit(account_id, amount, PoolKind.PROMOTION, cause)
    assert not CreditPool.objects.filter(account=other).exists()


def test_one_reference_for_two_accounts_at_once_is_booked_for_one() -> None:
    cause = reference()

    def grant(account_id: int) -> bool:
        try:
            return credits.grant_credit(account_id, 5_000, PoolKind.PROMOTION, cause).created
        except credits.ReferenceReused:
            return False
        finally:
            connection.close()

    accounts = [new_customer().account.pk for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(grant, accounts)) == 1
    assert CreditPool.objects.filter(account_id__in=accounts).count() == 1


@pytest.mark.parametrize("amount", [0, -1, MAX_NANO + 1])
def test_only_positive_and_sane_amounts_are_granted(account: Account, amount: int) -> None:
    with pytest.raises(ValueError, match=r"^amount: "):
        credits.grant_credit(account.pk, amount, PoolKind.PROMOTION, reference())


def test_an_unknown_account_is_an_error() -> None:
    with pytest.raises(Account.DoesNotExist):
        credits.grant_credit(0, 1, PoolKind.PROMOTION, reference())
