"""Many connections at once: sums stay exact, nobody deadlocks, and a slow account holds up only itself."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gateway.database import (
    ADMITTED,
    BUSY,
    CONCURRENCY,
    CREDIT,
    REQUESTS,
    SETTLED,
    SETTLED_BEFORE,
    TOKENS,
    Checkpoint,
    Database,
    Ending,
    Request,
    costing,
)  # fmt: skip

pytest_plugins = ["tests.gateway.fixtures"]


def together(money: Database, work: Callable[[Database, int], Any], connections: int) -> list[Any]:
    """The results of `work(session, number)` in threads that start at the same moment, each with a session of its own."""
    start = threading.Barrier(connections)

    def run(number: int) -> Any:
        session = money.another()
        try:
            start.wait(timeout=30)
            return work(session, number)
        finally:
            session.close()

    with ThreadPoolExecutor(connections) as pool:
        return list(pool.map(run, range(connections)))


def persistently(call: Callable[..., list[Any]], items: list[Any], *before: Any, skip_locked: bool) -> list[Any]:
    """Calls until no item is BUSY; the results in the order of the items."""
    results: dict[int, Any] = {}
    while missing := [i for i in range(len(items)) if i not in results]:
        for i, result in zip(missing, call(*before, *(items[i] for i in missing), skip_locked=skip_locked), strict=True):
            if result.code != BUSY:
                results[i] = result
    return [results[i] for i in range(len(items))]


@pytest.mark.parametrize("skip_locked", [False, True], ids=["waiting", "skipping"])
def test_of_200_parallel_requests_on_a_balance_for_10_exactly_10_are_admitted(money: Database, skip_locked: bool) -> None:
    account = money.account(60, 40)
    processes = [money.register(), money.register()]

    def ask(session: Database, number: int) -> list[int]:
        decisions = [
            persistently(session.admit, [costing(account, 10)], processes[number % 2], skip_locked=skip_locked)[0] for _ in range(25)
        ]
        return [d.code for d in decisions]

    codes = Counter(code for part in together(money, ask, 8) for code in part)
    assert codes == {ADMITTED: 10, CREDIT: 190}
    assert money.pools(account) == [(60, 60), (40, 40)]


@pytest.mark.parametrize(
    ("limit", "refusal"),
    [({"rpm": 17}, REQUESTS), ({"tpm": 17 * 3 + 2}, TOKENS), ({"max_concurrent": 17}, CONCURRENCY)],
    ids=["RPM", "TPM", "slots"],
)
def test_limits_hold_exactly_across_processes_that_ask_at_the_same_time(money: Database, limit: Any, refusal: int) -> None:
    account = money.account(1000)
    key = money.key(account, **limit)
    processes = [money.register() for _ in range(4)]
    codes = together(
        money,
        lambda s, n: [d.code for d in s.admit(processes[n], *(Request(account, key, tpm_tokens=3) for _ in range(20)), skip_locked=False)],
        4,
    )
    assert Counter(code for part in codes for code in part) == {ADMITTED: 17, refusal: 63}
    assert money.limiter(key).open == 17


def test_thousands_of_mixed_batches_over_many_accounts_never_deadlock(money: Database) -> None:
    accounts = [money.account(10_000, 10_000) for _ in range(12)]
    keys = {account: money.key(account, max_concurrent=50) for account in accounts}
    processes = [money.register() for _ in range(6)]

    def traffic(session: Database, number: int) -> int:
        chance = random.Random(number)
        admitted = 0
        for _ in range(60):
            requests = [costing(a, chance.randrange(20), keys[a], tpm_tokens=5) for a in chance.choices(accounts, k=10)]
            skip = chance.random() < 0.5
            decisions = persistently(session.admit, requests, processes[number], skip_locked=skip)
            opened = [r for r, d in zip(requests, decisions, strict=True) if d.code == ADMITTED]
            admitted += len(opened)
            session.renew(processes[number], *(Checkpoint(r.id, 1) for r in opened))
            chance.shuffle(opened)
            endings = [Ending(r.id, r.account, r.key, cost=chance.randrange(25)) for r in opened]
            assert {o.code for o in persistently(session.settle, endings, skip_locked=skip)} <= {SETTLED}
        return admitted

    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = money.rows(deadlocks)
    assert sum(together(money, traffic, 6)) > 1000
    money.rows("SELECT pg_stat_force_next_flush()")
    assert money.rows(deadlocks) == before
    assert all(held == 0 for account in accounts for _, held in money.pools(account))


def test_batches_that_name_the_same_accounts_in_opposite_orders_do_not_deadlock(money: Database) -> None:
    accounts = [money.account(10**6) for _ in range(30)]
    process = money.register()

    def ask(session: Database, number: int) -> None:
        order = accounts if number % 2 else accounts[::-1]
        for _ in range(40):
            requests = [costing(account, 1) for account in order]
            session.admit(process, *requests, skip_locked=False)
            session.settle(*(Ending(r.id, r.account) for r in requests), skip_locked=False)

    together(money, ask, 4)


def test_an_account_locked_by_a_slow_transaction_holds_up_only_itself(money: Database) -> None:
    slow, other, process = money.account(100), money.account(100), money.register()
    opened = [costing(slow, 10), costing(other, 10)]
    money.admit(process, *opened)
    blocker = money.another()
    with blocker.connection.transaction():
        blocker.run("SELECT FROM accounts_account WHERE id = %s FOR NO KEY UPDATE", (slow,))
        assert [d.code for d in money.admit(process, costing(slow, 10), costing(other, 10))] == [BUSY, ADMITTED]
        assert [o.code for o in money.settle(*(Ending(r.id, r.account, cost=4) for r in opened))] == [BUSY, SETTLED]
        assert (money.pools(slow), money.pools(other)) == ([(100, 10)], [(96, 10)])
    blocker.close()
    assert money.admit(process, costing(slow, 10))[0].code == ADMITTED
    assert money.settle(Ending(opened[0].id, slow, cost=4)) == [(SETTLED, 4)]


def test_a_renewal_neither_waits_for_a_settlement_nor_calls_its_requests_lost(money: Database) -> None:
    account, process = money.account(100), money.register()
    ending, going_on = costing(account, 10), costing(account, 10)
    money.admit(process, ending, going_on)
    settling = money.another()
    with settling.connection.transaction():
        settling.settle(Ending(ending.id, account, cost=4))
        money.run("SET lock_timeout = '100ms'")
        assert money.renew(process, Checkpoint(ending.id, 1), Checkpoint(going_on.id, 2)) == set()
    settling.close()
    assert money.holds(account)[going_on.id].checkpoint_cost == 2
    assert money.inference(ending.id).charged == 4


def test_a_settlement_and_the_reaper_at_the_same_moment_charge_once(money: Database) -> None:
    money.witness()
    for _ in range(15):
        account, process = money.account(100), money.register(lease_s=-1)
        request = costing(account, 10)
        money.admit(process, request)
        money.run("UPDATE gateway_hold SET checkpoint_cost = 3 WHERE id = %s", (request.id,))

        def end(session: Database, number: int, request: Request = request, account: int = account) -> Any:
            return (
                session.reap() if number else persistently(session.settle, [Ending(request.id, account, cost=7)], skip_locked=True)[0].code
            )

        settled, reaped = together(money, end, 2)
        charged = money.inference(request.id).charged
        assert (settled, reaped, charged) in [(SETTLED, 0, 7), (SETTLED_BEFORE, 1, 3)]
        assert money.pools(account) == [(100 - charged, 0)]


def test_the_reaper_waits_for_a_renewal_that_is_under_way_and_leaves_the_process_alone(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 10)
    money.admit(process, request)
    money.witness()
    money.run("UPDATE gateway_process SET lease_until = clock_timestamp() - interval '1 second' WHERE id = %s", (process,))
    renewing = money.another()
    with ThreadPoolExecutor(1) as pool:
        with renewing.connection.transaction():
            assert renewing.renew(process, Checkpoint(request.id, 6)) == set()
            reaping = pool.submit(money.reap)
            waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s"
            while not reaping.done() and not renewing.rows(waits, (money.connection.info.backend_pid,)):
                pass
        assert reaping.result(timeout=30) == 0
    renewing.close()
    assert money.holds(account)[request.id].checkpoint_cost == 6


def test_what_a_released_request_costs_is_not_charged_by_a_reaper_that_read_it_before(money: Database) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 10)
    money.admit(process, request)
    money.settle(Ending(request.id, account, logged=False))
    assert money.settle(Ending(request.id, account, cost=8, status=4)) == [(SETTLED_BEFORE, 0)]
    assert (money.pools(account), money.inference(request.id)) == ([(100, 0)], None)
