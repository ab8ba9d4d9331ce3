"""Promise: what a key has spent is exact to the last request that ended, however much of the log is folded into days and whatever
is being written meanwhile; and every request is folded once."""

from __future__ import annotations

import psycopg
import pytest

from apps.core.ids import uuid7, uuid7_floor
from apps.usage.models import Status
from apps.usage.queries import KeyUsage, usage_of_keys
from apps.usage.rollups import fold
from tests.gateway.database import Database, Ending, utc
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.gateway.fixtures"]


def spend(money: Database, account: int, key: int | None, *nano: int) -> None:
    money.settle(*(Ending(uuid7(), account, key, cost=amount) for amount in nano))


def spent(key: int) -> tuple[int, int]:
    """(requests, nano-USD)."""
    usage = usage_of_keys([key]).get(key, KeyUsage())
    return usage.requests, usage.charged


def folded(money: Database, key: int) -> tuple[int, int]:
    """(requests, nano-USD) that stand in days."""
    days = money.rows("SELECT requests, charged FROM usage_rollup WHERE grain = 1440 AND api_key_id = %s", (key,))
    return sum(day.requests for day in days), sum(day.charged for day in days)


def fold_all_but_the_last_second(money: Database) -> None:
    """What is settled now is left alone for a second; this waits until that is over."""
    before = money.now()
    wait_for(lambda: fold_until(money) >= before, 10, "everything is folded")


def fold_until(money: Database) -> object:
    fold()
    return money.rows("SELECT settled_until FROM usage_rollupmark")[0][0]


def test_a_sum_is_the_same_before_and_after_folding(money: Database) -> None:
    account = money.account(10_000)
    key, other, unused = money.key(account), money.key(account), money.key(account)
    spend(money, account, key, 100, 20)
    spend(money, account, other, 5)
    spend(money, account, None, 1_000)  # the Playground's have no key
    assert (spent(key), spent(other), spent(unused)) == ((2, 120), (1, 5), (0, 0))
    fold_all_but_the_last_second(money)
    assert folded(money, key) == spent(key) == (2, 120)
    spend(money, account, key, 3)
    assert spent(key) == (3, 123)
    fold_all_but_the_last_second(money)
    fold_all_but_the_last_second(money)
    assert folded(money, key) == spent(key) == (3, 123)
    assert (spent(other), spent(unused)) == ((1, 5), (0, 0))


def test_what_commits_late_is_folded_once(money: Database) -> None:
    """A settlement has read its time and not committed: nothing of its time on is folded until it has."""
    account, slow_account = money.account(10_000), money.account(10_000)
    key, slow_key = money.key(account), money.key(slow_account)
    slow = money.another()
    with slow.connection.transaction():
        spend(slow, slow_account, slow_key, 7)
        begun = slow.now()
        spend(money, account, key, 5)
        wait_for(lambda: (money.now() - begun).total_seconds() > 1.2, 5, "the settlement is older than what is left alone")
        assert fold_until(money) < begun
        assert (spent(key), spent(slow_key)) == ((1, 5), (0, 0))
    assert spent(slow_key) == (1, 7)
    fold_all_but_the_last_second(money)
    assert folded(money, slow_key) == spent(slow_key) == (1, 7)
    assert folded(money, key) == (1, 5)
    slow.close()


def test_a_request_that_began_long_ago_counts_when_it_ends(money: Database) -> None:
    account = money.account(10_000)
    key = money.key(account)
    fold_all_but_the_last_second(money)
    money.settle(Ending(uuid7_floor(utc(2024, 2, 29)), account, key, cost=9))
    assert spent(key) == (1, 9)
    fold_all_but_the_last_second(money)
    assert folded(money, key) == spent(key) == (1, 9)


def test_failed_and_written_off_requests_count_with_what_was_charged(money: Database) -> None:
    account = money.account(10)
    key = money.key(account)
    money.settle(Ending(uuid7(), account, key, cost=25))  # ten are left, fifteen are written off
    money.settle(Ending(uuid7(), account, key, cost=0, status=Status.FAILED))
    assert spent(key) == (2, 10)
    fold_all_but_the_last_second(money)
    assert folded(money, key) == (2, 10)


def test_two_that_fold_at_once_do_not_fold_twice(money: Database) -> None:
    account = money.account(10_000)
    key = money.key(account)
    spend(money, account, key, 5)
    fold_all_but_the_last_second(money)
    spend(money, account, key, 6)
    before = fold_until(money)
    first = money.another()
    with first.connection.transaction():
        first.rows("SELECT settled_until FROM usage_rollupmark FOR UPDATE")
        assert fold_until(money) == before  # the other one is at it: this one does nothing, and does not wait
    fold_all_but_the_last_second(money)
    assert folded(money, key) == spent(key) == (2, 11)
    first.close()


def test_a_step_that_fails_leaves_everything_as_it_was(money: Database) -> None:
    account = money.account(10_000)
    key = money.key(account)
    spend(money, account, key, 5)
    fold_all_but_the_last_second(money)
    money.run(f"ALTER TABLE usage_rollup ADD CONSTRAINT broken CHECK (api_key_id <> {key} OR charged < 10)")
    try:
        spend(money, account, key, 6)
        with pytest.raises(Exception, match="broken"):
            fold_all_but_the_last_second(money)
        assert spent(key) == (2, 11)
    finally:
        money.run("ALTER TABLE usage_rollup DROP CONSTRAINT broken")
    fold_all_but_the_last_second(money)
    assert folded(money, key) == spent(key) == (2, 11)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_month_begins_at_midnight_utc_on_its_first(money: Database, zone: str) -> None:
    """In a transaction that is never committed: its clock runs ahead of the log's."""
    with money.connection.transaction() as everything:
        money.connection.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
        account = money.account(10_000)
        key = money.key(account)
        for moment, cost in ((utc(2031, 1, 31, 23, 59, 59), 100), (utc(2031, 2, 1), 20), (utc(2031, 2, 28, 23, 59, 59), 3)):
            money.set_clock(moment)
            spend(money, account, key, cost)
            [row] = money.rows("SELECT charged, charged_this_month FROM usage_of_keys(%s::bigint[])", ([key],))
            assert row.charged_this_month == {100: 100, 20: 20, 3: 23}[cost]
        assert row.charged == 123
        money.set_clock("")
        raise psycopg.Rollback(everything)
