"""The requests of a process that died or slept end at their last checkpoint, and those of one that lives are left alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from apps.core.ids import uuid7
from apps.usage.models import Status
from tests.gateway.database import ADMITTED, FENCED, LEASE_S, SETTLED_BEFORE, Checkpoint, Database, Ending, costing, utc

pytest_plugins = ["tests.gateway.fixtures"]

NOW = utc(2028, 2, 29, 23, 59, 50)
LEASE = timedelta(seconds=LEASE_S)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def process(money: Database) -> int:
    """A process that registered at NOW; the server and another process have run for long."""
    money.set_server_start(NOW - timedelta(days=1))
    money.set_clock(NOW)
    money.witness()
    return money.register()


def opened(money: Database, process: int, account: int, key: int | None = None, nano: int = 50) -> UUID:
    request = costing(account, nano, key, tpm_tokens=40)
    assert money.admit(process, request)[0].code == ADMITTED
    return request.id


def test_open_requests_end_at_their_last_checkpoint(money: Database, process: int) -> None:
    account = money.account(500)
    key = money.key(account, tpm=1000, max_concurrent=2)
    streaming, silent = opened(money, process, account, key), opened(money, process, account, key)
    assert money.renew(process, Checkpoint(streaming, 30, prompt_tokens=7, completion_tokens=5, backend=3), Checkpoint(silent, 0)) == set()
    money.set_clock(NOW + LEASE + MOMENT)
    assert money.reap() == 2
    row = money.inference(streaming)
    assert (row.status, row.charged, row.prompt_tokens, row.completion_tokens, row.backend_id, row.estimated) == (
        Status.LOST,
        30,
        7,
        5,
        3,
        True,
    )
    assert money.inference(silent).charged == 0
    assert money.pools(account) == [(470, 0)]
    limiter = money.limiter(key)
    assert (limiter.open, limiter.tokens_in_window) == (0, 12)  # slots are free, and tokens are what was really used
    assert money.reap() == 0


def test_a_process_that_renewed_in_time_loses_nothing(money: Database, process: int) -> None:
    account = money.account(500)
    request = opened(money, process, account)
    money.set_clock(NOW + LEASE)  # the last moment of the first lease
    assert money.reap() == 0
    assert money.renew(process, Checkpoint(request, 10)) == set()
    money.set_clock(NOW + LEASE + LEASE)
    assert money.reap() == 0
    assert money.holds(account).keys() == {request}


def test_a_process_that_wakes_up_after_its_lease_finds_itself_fenced_off(money: Database, process: int) -> None:
    account = money.account(500)
    request = opened(money, process, account)
    money.renew(process, Checkpoint(request, 20))
    money.set_clock(NOW + LEASE + MOMENT)
    money.reap()
    assert money.admit(process, costing(account, 1))[0].code == FENCED
    assert money.renew(process, Checkpoint(request, 45)) is None
    assert money.settle(Ending(request, account, cost=45)) == [(SETTLED_BEFORE, 0)]
    assert money.pools(account) == [(480, 0)]
    assert money.admit(money.register(), costing(account, 1))[0].code == ADMITTED


def test_a_process_that_wakes_up_before_it_is_reaped_settles_as_ever(money: Database, process: int) -> None:
    account = money.account(500)
    request = opened(money, process, account)
    money.set_clock(NOW + LEASE + LEASE)
    assert money.settle(Ending(request, account, cost=45))[0].charged == 45
    assert money.reap() == 0
    assert money.inference(request).charged == 45


def test_a_process_learns_which_of_its_streams_have_lost_their_hold(money: Database, process: int) -> None:
    account = money.account(500)
    request, unknown = opened(money, process, account), uuid7()
    assert money.renew(process, Checkpoint(request, 1), Checkpoint(unknown, 1)) == {unknown}
    assert money.renew(process) == set()


def test_an_unknown_process_admits_nothing(money: Database) -> None:
    account = money.account(500)
    assert money.admit(2**40, costing(account, 1))[0].code == FENCED
    assert money.pools(account) == [(500, 0)]


def test_after_a_restart_of_the_database_nobody_is_fenced_for_one_lease(money: Database, process: int) -> None:
    account = money.account(500)
    request = opened(money, process, account)
    restart = NOW + timedelta(minutes=5)
    money.set_server_start(restart)
    money.set_clock(restart + LEASE - MOMENT)
    assert money.reap() == 0
    assert money.renew(process, Checkpoint(request, 5)) == set()
    money.set_clock(restart + LEASE + LEASE)
    assert money.reap() == 1


def test_when_the_database_was_out_of_reach_the_first_process_back_fences_nobody(money: Database) -> None:
    """A failover or a cut network, longer than the lease; the server has run all the while."""
    money.set_server_start(NOW - timedelta(days=1))
    money.set_clock(NOW)
    first, second = money.register(), money.register()
    account = money.account(500)
    request = opened(money, second, account)
    back = NOW + 3 * LEASE
    money.set_clock(back)
    assert money.renew(first) == set()
    assert money.reap() == 0
    money.set_clock(back + timedelta(seconds=2))
    assert money.renew(second, Checkpoint(request, 5)) == set()
    assert money.settle(Ending(request, account, cost=45))[0].charged == 45


@pytest.mark.parametrize("left_s", [LEASE_S / 4, LEASE_S / 4 - 0.001], ids=["a gap that is none", "a gap"])
def test_who_stays_away_is_reaped_once_another_has_renewed_for_a_whole_lease(money: Database, left_s: float) -> None:
    money.set_server_start(NOW - timedelta(days=1))
    money.set_clock(NOW)
    first, second = money.register(), money.register()
    opened(money, second, money.account(500))
    back = NOW + LEASE - timedelta(seconds=left_s)
    money.set_clock(back)
    money.renew(first)
    gap = left_s < LEASE_S / 4
    money.set_clock(NOW + LEASE + MOMENT)
    assert money.reap() == (0 if gap else 1)
    for step in range(1, 4):
        money.set_clock(back + step * LEASE / 4)
        money.renew(first)
        assert money.reap() == 0
    money.set_clock(back + LEASE)
    money.renew(first)
    assert money.reap() == (1 if gap else 0)


def test_a_single_process_that_is_started_again_reaps_its_predecessor_after_one_lease(money: Database) -> None:
    money.set_server_start(NOW - timedelta(days=1))
    money.set_clock(NOW)
    opened(money, money.register(), money.account(500))
    started = NOW + timedelta(seconds=2)
    money.set_clock(started)
    successor = money.register()
    for step in range(1, 4):
        money.set_clock(started + step * LEASE / 4)
        money.renew(successor)
        assert money.reap() == 0
    money.set_clock(NOW + LEASE + MOMENT)  # the predecessor's lease is out, but it could be the database that was away
    assert money.reap() == 0
    money.set_clock(started + LEASE)
    money.renew(successor)
    assert money.reap() == 1


def test_a_locked_account_with_many_lost_requests_holds_up_no_other(money: Database, process: int) -> None:
    crowded, other = money.account(500), money.account(500)
    for _ in range(8):
        opened(money, process, crowded, nano=1)
    request = opened(money, process, other)
    money.set_clock(NOW + LEASE + MOMENT)
    with money.another().connection.transaction() as lock:
        lock.connection.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", (crowded,))
        assert money.reap(most=4) == 1
        assert money.inference(request).status == Status.LOST
    assert money.reap() == 8


def test_a_hold_that_was_open_for_months_while_everything_was_off_is_resolved_too(money: Database, process: int) -> None:
    account = money.account(500)
    request = opened(money, process, account)
    money.set_clock(NOW + timedelta(days=90))
    assert money.reap() == 1
    assert money.inference(request).total_ms == 2**31 - 1


def test_a_hold_older_than_any_request_is_resolved_though_its_process_lives(money: Database, process: int) -> None:
    account = money.account(500)
    forgotten = opened(money, process, account)
    money.set_clock(NOW + timedelta(hours=2))
    money.renew(process)
    young = opened(money, process, account)
    assert money.reap() == 0
    money.set_clock(NOW + timedelta(hours=2) + MOMENT)
    assert money.reap() == 1
    assert (money.inference(forgotten).status, money.holds(account).keys()) == (Status.LOST, {young})


def test_at_most_as_many_are_reaped_at_once_as_asked_for(money: Database, process: int) -> None:
    account = money.account(500)
    for _ in range(5):
        opened(money, process, account)
    money.set_clock(NOW + LEASE + MOMENT)
    assert [money.reap(most=2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_fenced_process_is_forgotten_after_a_day(money: Database, process: int) -> None:
    money.set_clock(NOW + LEASE + MOMENT)
    money.reap()
    known = "SELECT id FROM gateway_process WHERE id = %s"
    assert money.rows(known, (process,))
    money.set_clock(NOW + LEASE + timedelta(days=1, seconds=1))
    money.reap()
    assert not money.rows(known, (process,))


def test_a_hold_that_its_living_process_does_not_know_is_given_up_after_two_leases(money: Database, process: int) -> None:
    account = money.account(500)
    known, settling, forgotten = (opened(money, process, account) for _ in range(3))

    def disown() -> int:
        count: int = money.rows("SELECT gateway_disown(%s, %s, %s::uuid[]) AS n", (process, LEASE_S, [known, settling]))[0].n
        return count

    money.set_clock(NOW + LEASE)
    assert money.renew(process, Checkpoint(known, 7)) == set()
    assert disown() == 0  # its answer may still be on the way to the process
    money.set_clock(NOW + 2 * LEASE + MOMENT)
    assert money.renew(process, Checkpoint(known, 7)) == set()
    assert disown() == 1
    assert money.reap() == 1
    assert money.holds(account).keys() == {known, settling}
    assert money.inference(forgotten).charged == 0
    assert money.pools(account) == [(500, 100)]
