"""Credit burns by kind, then expiry, then age; expired credit pays for nothing new, and for what was held of it in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.billing.expiry import expire_credit
from apps.billing.models import PoolKind
from tests.gateway.database import ADMITTED, CREDIT, Database, Ending, costing, utc

pytest_plugins = ["tests.gateway.fixtures"]

NOW = utc(2028, 2, 29, 23, 59, 50)


def test_trial_credit_burns_before_promotions_and_those_before_purchased_credit(money: Database) -> None:
    account, process = money.account(), money.register()
    purchased = money.pool(account, 100, PoolKind.PURCHASED)
    promotion = money.pool(account, 100, PoolKind.PROMOTION)
    trial = money.pool(account, 100, PoolKind.TRIAL)
    request = costing(account, 250)
    assert money.admit(process, request)[0].code == ADMITTED
    assert money.holds(account)[request.id].pools == [trial, promotion, purchased]
    assert money.settle(Ending(request.id, account, cost=130))[0].charged == 130
    row = money.inference(request.id)
    assert (row.paid_pools, row.paid_amounts) == ([trial, promotion], [100, 30])
    postings = money.rows("SELECT book, pool_id, amount FROM billing_posting WHERE transaction_id = %s", (row.transaction_id,))
    assert sorted(tuple(p) for p in postings if p.pool_id) == sorted([(1, trial, -100), (1, promotion, -30)])
    assert [p.amount for p in postings if p.pool_id is None] == [130]
    assert money.pools(account) == [(100, 0), (70, 0), (0, 0)]


def test_of_one_kind_the_pool_that_expires_first_burns_first_and_the_older_of_two_alike(money: Database) -> None:
    money.set_clock(NOW)
    account, process = money.account(), money.register()
    never = money.pool(account, 10, PoolKind.PROMOTION)
    later = money.pool(account, 10, PoolKind.PROMOTION, NOW + timedelta(days=2))
    soon = money.pool(account, 10, PoolKind.PROMOTION, NOW + timedelta(days=1))
    money.set_clock(NOW + timedelta(seconds=1))
    younger = money.pool(account, 10, PoolKind.PROMOTION, NOW + timedelta(days=1))
    request = costing(account, 40)
    money.admit(process, request)
    assert money.holds(account)[request.id].pools == [soon, younger, later, never]


def test_requests_of_one_batch_share_a_pool_without_overlap(money: Database) -> None:
    account, process = money.account(15, 15, 15), money.register()
    requests = [costing(account, 10) for _ in range(5)]
    assert [d.code for d in money.admit(process, *requests)] == [ADMITTED] * 4 + [CREDIT]
    assert [list(h.pool_amounts) for h in money.holds(account).values()] == [[10], [5, 5], [10], [10]]
    assert money.pools(account) == [(15, 15), (15, 15), (15, 10)]


@pytest.mark.parametrize(
    "expiry",
    [utc(2028, 3, 1), utc(2027, 3, 28, 1), utc(2026, 10, 25, 1), utc(2027, 1, 1)],
    ids=["29 February", "DST on", "DST off", "year end"],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia"])
def test_credit_expires_at_its_moment_by_the_clock_of_the_database_whatever_the_zone(money: Database, expiry: object, zone: str) -> None:
    money.connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
    moment = utc(*expiry.timetuple()[:6])  # type: ignore[attr-defined]
    money.set_clock(moment - timedelta(microseconds=1))
    account, process = money.account(), money.register()
    money.pool(account, 10, PoolKind.TRIAL, moment)
    assert money.admit(process, costing(account, 5))[0].code == ADMITTED
    money.set_clock(moment)
    refused = money.admit(process, costing(account, 5))[0]
    assert (refused.code, refused.available) == (CREDIT, 0)


def test_credit_that_expires_while_a_stream_runs_is_honoured_as_far_as_it_was_held_and_the_rest_expires_once(money: Database) -> None:
    money.set_clock(NOW)
    account, process = money.account(), money.register()
    money.pool(account, 100, PoolKind.TRIAL, NOW + timedelta(seconds=5))
    request = costing(account, 60)
    money.admit(process, request)
    after = NOW + timedelta(seconds=10)
    money.set_clock(after)
    expire_credit(after)
    assert money.pools(account) == [(60, 60)]
    assert money.settle(Ending(request.id, account, cost=45))[0].charged == 45
    assert money.pools(account) == [(15, 0)]
    assert money.admit(process, costing(account, 1))[0].code == CREDIT  # what came back has expired too
    for _ in range(2):
        expire_credit(after)
    assert money.pools(account) == [(0, 0)]
    expired = money.rows("SELECT amount FROM billing_posting WHERE account_id = %s AND book = 5 ORDER BY id", (account,))
    assert [row.amount for row in expired] == [40, 15]


def test_a_hold_that_grows_takes_no_expired_credit(money: Database) -> None:
    money.set_clock(NOW)
    account, process = money.account(), money.register()
    money.pool(account, 100, PoolKind.TRIAL, NOW + timedelta(seconds=5))
    request = costing(account, 10)
    money.admit(process, request)
    money.set_clock(NOW + timedelta(seconds=5))
    assert money.settle(Ending(request.id, account, cost=30))[0].charged == 10
    assert money.written_off(account) == 20
