"""Promise: a key never holds and spends more in a day or a month (UTC) than its limit, to the nano-dollar, whoever asks at the same time; a
refusal says which limit it was and when it begins anew, and uses up nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import psycopg
import pytest

from apps.core.ids import uuid7
from apps.gateway.admission import AdmissionRequest, Decision, refusal
from tests.gateway.database import ADMITTED, CREDIT, SPENT_DAY, SPENT_MONTH, Database, Ending, Request, costing, utc

pytest_plugins = ["tests.gateway.fixtures"]


def codes(money: Database, process: int, *requests: Request) -> list[int]:
    return [decision.code for decision in money.admit(process, *requests)]


def spend(money: Database, key: int) -> tuple[int, int, int]:
    """(today, this month, held) of the key's counters."""
    [row] = money.rows("SELECT spent_day, spent_month, held FROM api_keys_spend WHERE key_id = %s", (key,))
    return tuple(row)


def end(money: Database, request: Request, cost: int, **more: object) -> None:
    money.settle(Ending(request.id, request.account, request.key, cost=cost, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(("limits", "code"), [({"spend_limit_day": 100}, SPENT_DAY), ({"spend_limit_month": 100}, SPENT_MONTH)])
def test_exactly_as_much_is_admitted_as_the_limit_says(money: Database, limits: dict[str, int], code: int) -> None:
    process, account = money.register(), money.account(10_000)
    key, free = money.key(account, **limits), money.key(account)
    assert codes(money, process, *(costing(account, 25, key) for _ in range(6))) == [ADMITTED] * 4 + [code] * 2
    assert codes(money, process, costing(account, 1, key), costing(account, 500, free), costing(account, 0, key)) == [
        code,
        ADMITTED,
        ADMITTED,
    ]
    assert spend(money, key) == (0, 0, 100)


def test_what_was_not_spent_comes_back_and_what_was_spent_does_not(money: Database) -> None:
    process, account = money.register(), money.account(10_000)
    key = money.key(account, spend_limit_day=100)
    first, second = costing(account, 60, key), costing(account, 40, key)
    assert codes(money, process, first, second) == [ADMITTED, ADMITTED]
    end(money, first, 35)
    end(money, second, 40, logged=False)  # released
    assert spend(money, key) == (35, 35, 0)
    assert codes(money, process, costing(account, 66, key), costing(account, 65, key)) == [SPENT_DAY, ADMITTED]
    end(money, first, 35)  # sent again
    assert spend(money, key) == (35, 35, 65)


def test_a_request_that_costs_more_than_was_held_counts_with_what_it_was_charged(money: Database) -> None:
    process, account = money.register(), money.account(120)
    key = money.key(account, spend_limit_day=100)
    request = costing(account, 10, key)
    money.admit(process, request)
    end(money, request, 500)  # 120 are there
    assert spend(money, key) == (120, 120, 0)
    money.pool(account, 1_000)
    assert codes(money, process, costing(account, 1, key)) == [SPENT_DAY]
    lost = costing(account, 5, key)
    end(money, lost, 7)  # its hold was lost in a crash
    assert spend(money, key) == (127, 127, 0)


def test_output_is_held_for_as_far_as_the_limit_goes(money: Database) -> None:
    process, account = money.register(), money.account(10_000)
    key = money.key(account, spend_limit_day=100)
    request = Request(account, key, base_pico=10_000, output_pico=2_000, output_wanted=80, output_least=1)
    [decision] = money.admit(process, request)
    assert (decision.code, decision.output_granted) == (ADMITTED, 45)
    assert spend(money, key) == (0, 0, 100)


def test_the_tighter_of_limits_and_credit_is_named(money: Database) -> None:
    process = money.register()
    rich, poor = money.account(10_000), money.account(30)
    month = money.key(rich, spend_limit_day=100, spend_limit_month=50)
    day = money.key(rich, spend_limit_day=50, spend_limit_month=100)
    broke = money.key(poor, spend_limit_day=50)
    found = money.admit(process, costing(rich, 60, month), costing(rich, 60, day), costing(poor, 40, broke))
    assert [decision.code for decision in found] == [SPENT_MONTH, SPENT_DAY, CREDIT]
    assert [decision.available for decision in found] == [50, 50, 30]


@pytest.mark.parametrize(
    ("now", "day", "month"),
    [
        (utc(2031, 1, 31, 23, 59, 59), utc(2031, 2, 1), utc(2031, 2, 1)),
        (utc(2032, 2, 28, 12), utc(2032, 2, 29), utc(2032, 3, 1)),
        (utc(2031, 12, 31, 6), utc(2032, 1, 1), utc(2032, 1, 1)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_refusal_says_when_the_limit_begins_anew_and_then_it_does(
    money: Database, now: datetime, day: datetime, month: datetime, zone: str
) -> None:
    """In a transaction that is never committed: its clock runs ahead of the log's."""
    with money.connection.transaction() as everything:
        money.connection.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
        money.set_clock(now)
        process, account = money.register(lease_s=10**9), money.account(10_000)
        for limits, anew in (({"spend_limit_day": 100}, day), ({"spend_limit_month": 100}, month)):
            money.set_clock(now)
            key = money.key(account, **limits)
            request = costing(account, 100, key)
            money.admit(process, request)
            end(money, request, 90)
            [refused] = money.admit(process, costing(account, 11, key))
            assert refused.code in (SPENT_DAY, SPENT_MONTH)
            assert (refused.resets_at, refused.available) == (anew.timestamp(), 10)
            assert now + timedelta(seconds=refused.retry_after) == anew
            open_request = costing(account, 5, key)
            money.admit(process, open_request)
            money.set_clock(anew - timedelta(milliseconds=1))
            assert codes(money, process, costing(account, 11, key)) == [refused.code]
            money.set_clock(anew)
            assert codes(money, process, costing(account, 96, key), costing(account, 95, key)) == [refused.code, ADMITTED]
            end(money, open_request, 5)  # it counts on the day on which it ends
            assert spend(money, key)[0] == 5
        raise psycopg.Rollback(everything)


def test_a_limit_that_is_set_later_counts_what_was_spent_before(money: Database) -> None:
    process, account = money.register(), money.account(10_000)
    key = money.key(account)
    request = costing(account, 70, key)
    money.admit(process, request)
    end(money, request, 70)
    money.run("UPDATE api_keys_apikey SET spend_limit_month = 100 WHERE id = %s", (key,))
    assert codes(money, process, costing(account, 31, key), costing(account, 30, key)) == [SPENT_MONTH, ADMITTED]
    money.run("UPDATE api_keys_apikey SET spend_limit_month = NULL WHERE id = %s", (key,))
    request = costing(account, 500, key)
    money.admit(process, request)
    end(money, request, 500)
    money.run("UPDATE api_keys_apikey SET spend_limit_month = 600 WHERE id = %s", (key,))
    assert codes(money, process, costing(account, 1, key)) == [SPENT_MONTH]
    assert spend(money, key) == (570, 570, 30)


def test_two_processes_that_ask_at_once_admit_no_more(money: Database) -> None:
    account = money.account(10**9)
    key = money.key(account, spend_limit_day=1_000)
    start = threading.Barrier(4)

    def ask(number: int) -> list[int]:
        session = money.another()
        process = session.register()
        start.wait(timeout=30)
        found = [session.admit(process, costing(account, 20, key), skip_locked=False)[0].code for _ in range(30)]
        session.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        found = [code for answers in pool.map(ask, range(4)) for code in answers]
    assert found.count(ADMITTED) == 50
    assert found.count(SPENT_DAY) == 70


def test_the_client_is_told_which_limit_and_until_when(money: Database) -> None:
    request = AdmissionRequest(uuid7(), 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, False)
    resets = int(utc(2031, 2, 1).timestamp())
    day = refusal(Decision(SPENT_DAY, 0, 4_200_000_000, None, None, None, None, None, resets, 60), request)
    month = refusal(Decision(SPENT_MONTH, 0, 0, None, None, None, None, None, resets, 60), request)
    assert (day.status, day.code, month.code) == (402, "day_spend_limit_exceeded", "month_spend_limit_exceeded")
    assert "$4.20 left" in day.message
    assert "2031-02-01T00:00:00Z" in day.message
    assert (b"retry-after", b"60") in day.headers
