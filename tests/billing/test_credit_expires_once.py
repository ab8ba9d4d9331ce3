"""Promise: expired credit cannot be spent from its very moment on, what open requests hold of it is honoured, the rest expires once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import Account
from apps.billing import credits
from apps.billing.expiry import expire_credit
from apps.billing.models import Book, CreditPool, LedgerTransaction, PoolKind, Posting, TransactionKind
from apps.billing.tasks import expire_credit as expire_credit_task
from apps.core.ids import uuid7
from tests.billing.holds import held
from tests.people import new_customer

pytestmark = pytest.mark.money

PAST = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return new_customer().account


def granted(account: Account, amount: int, expires_at: datetime | None, kind: PoolKind = PoolKind.PROMOTION) -> CreditPool:
    grant = credits.grant_credit(account.pk, amount, kind, f"tests:{uuid7()}", expires_at=expires_at)
    return CreditPool.objects.get(pk=grant.pool_id)


def booked(account: Account) -> list[int]:
    """What expired, booking by booking."""
    return list(
        Posting.objects.filter(account=account, book=Book.BREAKAGE, transaction__kind=TransactionKind.EXPIRY)
        .order_by("pk")
        .values_list("amount", flat=True)
    )


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def test_expired_credit_is_booked_to_breakage_once(account: Account) -> None:
    pool = granted(account, 700, PAST)
    kept = granted(account, 300, None)
    expire_credit()
    expire_credit_task()
    pool.refresh_from_db()
    kept.refresh_from_db()
    assert (pool.remaining, kept.remaining) == (0, 300)
    assert booked(account) == [700]


def test_expired_credit_does_not_count_even_before_it_is_swept(account: Account) -> None:
    granted(account, 700, PAST)
    granted(account, 300, database_now() + timedelta(hours=1))
    balance = credits.balance(account.pk)
    assert (balance.remaining, balance.held, balance.available) == (300, 0, 300)


def test_sweeping_does_not_change_a_balance(account: Account) -> None:
    with held(granted(account, 700, PAST), 100), held(granted(account, 300, None), 50):
        before = credits.balance(account.pk)
        expire_credit()
        after = credits.balance(account.pk)
    assert (before.remaining, before.held, before.available) == (400, 150, 250)
    assert (after.remaining, after.held, after.available) == (400, 150, 250)


def test_what_is_held_is_honoured_and_expires_when_it_comes_back(account: Account) -> None:
    pool = granted(account, 700, PAST)
    with held(pool, 200):
        with held(pool, 100):
            expire_credit()
            pool.refresh_from_db()
            assert (pool.remaining, pool.held) == (300, 300)
        expire_credit()
        expire_credit()
        pool.refresh_from_db()
        assert (pool.remaining, pool.held) == (200, 200)
    expire_credit()
    pool.refresh_from_db()
    assert pool.remaining == 0
    assert booked(account) == [400, 100, 200]
    references = (
        LedgerTransaction.objects.filter(account=account, kind=TransactionKind.EXPIRY).order_by("pk").values_list("reference", flat=True)
    )
    assert list(references) == [f"pool:{pool.pk}:{number}" for number in (1, 2, 3)]


def test_many_sweeps_at_once_expire_once() -> None:
    accounts = [new_customer().account for _ in range(5)]
    for account in accounts:
        granted(account, 700, PAST)

    def sweep(number: int) -> int:
        try:
            return expire_credit()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sweep, range(4))) == 3_500
    assert [booked(account) for account in accounts] == [[700]] * 5


def test_the_moment_of_expiry_is_exact_to_the_microsecond(account: Account) -> None:
    moment = datetime(2040, 2, 29, 12, tzinfo=UTC)
    granted(account, 700, moment)
    expire_credit(moment - timedelta(microseconds=1))
    assert booked(account) == []
    expire_credit(moment)
    assert booked(account) == [700]


@pytest.mark.parametrize("error", [timedelta(hours=1), timedelta(hours=-1)])
def test_the_database_clock_decides_and_not_the_process_clock(account: Account, error: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    now = database_now()
    wrong = (now + error).timestamp()
    monkeypatch.setattr("time.time", lambda: wrong)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + error)
    granted(account, 700, now + timedelta(minutes=30))
    granted(account, 300, now - timedelta(minutes=30))
    assert credits.balance(account.pk).remaining == 700
    expire_credit()
    assert booked(account) == [300]


def test_an_account_that_stays_locked_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    locked, free = new_customer().account, new_customer().account
    for account in (locked, free):
        granted(account, 700, PAST)
    other = connections["default"].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR NO KEY UPDATE", [locked.pk])
        with caplog.at_level(logging.WARNING):
            expire_credit()
        other.connection.rollback()  # a session that ends lets go only a moment later
    finally:
        other.close()
    assert (booked(locked), booked(free)) == ([], [700])
    assert f"Account {locked.pk} is left" in caplog.text
    expire_credit()
    assert booked(locked) == [700]


def test_a_sweep_that_is_rolled_back_books_nothing(account: Account) -> None:
    pool = granted(account, 700, PAST)
    with transaction.atomic():
        expire_credit()
        transaction.set_rollback(True)
    pool.refresh_from_db()
    assert (pool.remaining, booked(account)) == (700, [])
    expire_credit()
    assert booked(account) == [700]
