"""An inference is charged at most once, however often and from wherever its settlement comes."""

from __future__ import annotations

import psycopg
import pytest

from apps.core.ids import uuid7
from tests.gateway.database import ADMITTED, CHARGED_DIRECTLY, RELEASED, SETTLED, SETTLED_BEFORE, Database, Ending, Request, costing

pytest_plugins = ["tests.gateway.fixtures"]


def revenue(money: Database, account: int) -> int:
    return int(money.rows("SELECT coalesce(sum(amount), 0) AS n FROM billing_posting WHERE account_id = %s AND book = 2", (account,))[0].n)


def test_a_settlement_that_is_sent_again_changes_nothing(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 40)
    money.admit(process, request)
    assert money.settle(Ending(request.id, account, cost=30)) == [(SETTLED, 30)]
    for cost in (30, 0, 90):
        assert money.settle(Ending(request.id, account, cost=cost)) == [(SETTLED_BEFORE, 0)]
    assert (money.pools(account), revenue(money, account), money.inference(request.id).charged) == ([(70, 0)], 30, 30)


def test_of_two_settlements_in_one_batch_the_first_counts_and_the_batch_goes_through(money: Database) -> None:
    account, process = money.account(100), money.register()
    twice, other = costing(account, 40), costing(account, 10)
    money.admit(process, twice, other)
    endings = [Ending(twice.id, account, cost=30), Ending(other.id, account, cost=5), Ending(twice.id, account, cost=70)]
    assert money.settle(*endings) == [(SETTLED, 30), (SETTLED, 5), (SETTLED_BEFORE, 0)]
    assert (money.pools(account), revenue(money, account)) == ([(65, 0)], 35)


def test_of_a_release_and_a_settlement_in_one_batch_the_first_counts(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 40)
    money.admit(process, request)
    assert money.settle(Ending(request.id, account, logged=False), Ending(request.id, account, cost=30)) == [
        (RELEASED, 0),
        (SETTLED_BEFORE, 0),
    ]
    assert money.pools(account) == [(100, 0)]


def test_a_hold_that_a_crash_lost_is_charged_directly_and_once(money: Database) -> None:
    account = money.account(100)
    lost = uuid7()
    assert money.settle(Ending(lost, account, cost=30)) == [(CHARGED_DIRECTLY, 30)]
    assert money.settle(Ending(lost, account, cost=30)) == [(SETTLED_BEFORE, 0)]
    assert (money.pools(account), money.holds(account)) == ([(70, 0)], {})


def test_a_settlement_after_a_release_charges_and_a_release_after_a_settlement_does_not_refund(money: Database) -> None:
    account, process = money.account(100), money.register()
    released, settled = costing(account, 10), costing(account, 10)
    money.admit(process, released, settled)
    money.settle(Ending(released.id, account, logged=False))
    assert money.settle(Ending(released.id, account, cost=7)) == [(CHARGED_DIRECTLY, 7)]
    money.settle(Ending(settled.id, account, cost=9))
    assert money.settle(Ending(settled.id, account, logged=False)) == [(RELEASED, 0)]
    assert money.pools(account) == [(84, 0)]


def test_an_admission_that_is_sent_again_is_the_same_admission(money: Database) -> None:
    account, process = money.account(100), money.register()
    key = money.key(account, rpm=1, tpm=50, max_concurrent=1)
    request = Request(account, key, base_pico=10_000, output_pico=2_000, output_wanted=20, output_least=20, tpm_tokens=50)
    first = money.admit(process, request)[0]
    again = money.admit(process, request)[0]
    assert (first.code, first.output_granted) == (again.code, again.output_granted) == (ADMITTED, 20)
    assert (money.pools(account), money.limiter(key).open, money.limiter(key).requests_in_window) == ([(100, 50)], 1, 1)


def test_an_admission_that_is_sent_again_stands_though_the_key_was_revoked_in_between(money: Database) -> None:
    account, process = money.account(100), money.register()
    key = money.key(account)
    request = costing(account, 10, key)
    money.admit(process, request)
    money.run("UPDATE api_keys_apikey SET revoked_at = clock_timestamp() WHERE id = %s", (key,))
    assert money.admit(process, request)[0].code == ADMITTED  # or its hold would stay open until the process ends


def test_one_usage_transaction_covers_what_a_batch_charged_an_account(money: Database) -> None:
    first, second, process = money.account(100), money.account(100), money.register()
    requests = [costing(account, 10) for account in (first, second, first, second)]
    money.admit(process, *requests)
    money.settle(*(Ending(r.id, r.account, cost=c) for r, c in zip(requests, (1, 2, 3, 0), strict=True)))
    transactions = [money.inference(r.id).transaction_id for r in requests]
    assert transactions[0] == transactions[2] != transactions[1]
    assert transactions[3] is None  # it was charged nothing
    assert (revenue(money, first), revenue(money, second)) == (4, 2)


def test_one_bad_settlement_changes_nothing_of_its_batch(money: Database) -> None:

    account, process = money.account(100), money.register()
    requests = [costing(account, 10), costing(account, 10)]
    money.admit(process, *requests)
    good, bad = Ending(requests[0].id, account, cost=5), Ending(requests[1].id, account, cost=5, prompt_tokens=1, cached_tokens=2)
    with pytest.raises(psycopg.errors.CheckViolation):
        money.settle(good, bad)
    assert money.pools(account) == [(100, 20)]
    assert money.settle(good) == [(SETTLED, 5)]
