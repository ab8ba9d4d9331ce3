"""Nobody is admitted without the credit for it, and nobody's balance goes below zero whatever a backend reports."""

from __future__ import annotations

import pytest

from tests.gateway.database import ADMITTED, CREDIT, USD, Database, Ending, Request, costing

pytest_plugins = ["tests.gateway.fixtures"]


def test_of_many_requests_on_a_balance_for_ten_exactly_ten_are_admitted(money: Database) -> None:
    account, process = money.account(100), money.register()
    codes = [d.code for d in money.admit(process, *(costing(account, 10) for _ in range(50)))]
    codes += [money.admit(process, costing(account, 10))[0].code for _ in range(5)]
    assert codes == [ADMITTED] * 10 + [CREDIT] * 45
    assert money.pools(account) == [(100, 100)]


def test_a_hold_is_the_exact_price_rounded_up_once(money: Database) -> None:
    account, process = money.account(USD), money.register()
    request = Request(account, base_pico=1, output_pico=333, output_wanted=3, output_least=3)  # 1,000 pico-USD in all
    one_more = Request(account, base_pico=2, output_pico=333, output_wanted=3, output_least=3)
    money.admit(process, request, one_more)
    holds = money.holds(account)
    assert (holds[request.id].amount, holds[one_more.id].amount) == (1, 2)


def test_an_open_bound_is_clamped_to_what_the_balance_affords(money: Database) -> None:
    account, process = money.account(1_000), money.register()
    request = Request(account, base_pico=100_500, output_pico=3_000, output_wanted=8_192, output_least=1)
    decision = money.admit(process, request)[0]
    assert (decision.code, decision.output_granted, decision.available) == (ADMITTED, 299, 1_000)
    assert money.holds(account)[request.id].amount == 998  # 100.5 + 299 × 3 = 997.5


def test_an_explicit_bound_that_is_not_affordable_is_refused_and_the_affordable_one_is_named(money: Database) -> None:
    account, process = money.account(1_000), money.register()
    decision = money.admit(process, Request(account, base_pico=100_000, output_pico=3_000, output_wanted=301, output_least=301))[0]
    assert (decision.code, decision.output_granted) == (CREDIT, 300)
    assert money.pools(account) == [(1_000, 0)]


@pytest.mark.parametrize(
    ("balance", "base_pico", "code"),
    [(1, 1_000, ADMITTED), (1, 1_001, CREDIT), (0, 1, CREDIT), (0, 0, ADMITTED)],
    ids=["just", "short", "empty", "free"],
)
def test_the_prompt_must_be_affordable_to_the_last_nano_dollar(money: Database, balance: int, base_pico: int, code: int) -> None:
    account, process = money.account(*[balance] * bool(balance)), money.register()
    assert money.admit(process, Request(account, base_pico=base_pico))[0].code == code


def test_the_largest_prices_and_balances_do_not_overflow(money: Database) -> None:
    account, process = money.account(10**18, 10**18), money.register()
    # A context of 10⁷ tokens at $10,000 a million, and $1,000 a request.
    request = Request(account, base_pico=10**17 + 10**15, output_pico=10**10, output_wanted=2**31 - 1, output_least=1)
    decision = money.admit(process, request)[0]
    assert (decision.code, decision.available) == (ADMITTED, 2 * 10**18)
    assert money.holds(account)[request.id].amount == (10**17 + 10**15 + 10**10 * decision.output_granted) // 1000
    assert money.settle(Ending(request.id, account, cost=3 * 10**18))[0].charged == 2 * 10**18
    assert money.written_off(account) == 10**18


def test_a_cost_above_the_hold_takes_free_credit_and_the_rest_is_written_off(money: Database) -> None:
    account, process = money.account(50, 30), money.register()
    request, other = costing(account, 40), costing(account, 15)
    money.admit(process, request, other)
    assert money.settle(Ending(request.id, account, cost=100))[0].charged == 65  # 40 held, 25 free; 15 belong to the other request
    row = money.inference(request.id)
    assert (row.cost, row.charged, money.written_off(account)) == (100, 65, 35)
    assert money.pools(account) == [(10, 10), (5, 5)]
    assert money.settle(Ending(other.id, account, cost=15))[0].charged == 15


def test_settling_below_the_hold_gives_the_difference_back(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 80)
    money.admit(process, request)
    assert money.settle(Ending(request.id, account, cost=1))[0].charged == 1
    assert money.pools(account) == [(99, 0)]


def test_a_release_charges_nothing_and_leaves_no_trace(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 80)
    money.admit(process, request)
    assert money.settle(Ending(request.id, account, cost=80, logged=False)) == [(3, 0)]
    assert (money.pools(account), money.holds(account), money.inference(request.id)) == ([(100, 0)], {}, None)


def test_the_price_of_admission_is_kept_with_the_hold_for_whoever_ends_the_request(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 10, price=77)
    money.admit(process, request)
    assert money.holds(account)[request.id].price_id == 77
    money.run("UPDATE gateway_process SET fenced = true WHERE id = %s", (process,))
    money.reap()
    assert money.inference(request.id).price_id == 77
