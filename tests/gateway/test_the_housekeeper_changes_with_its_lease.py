"""One process keeps house: the oldest whose lease is in force. One that is frozen keeps its connections, but not the office."""

from __future__ import annotations

from datetime import timedelta

from apps.gateway.housekeeping import OLDEST
from tests.gateway.database import LEASE_S, Database, utc

pytest_plugins = ["tests.gateway.fixtures"]

NOW = utc(2031, 3, 30, 1, 59, 59)


def test_the_next_one_takes_over_when_a_lease_runs_out(money: Database) -> None:
    money.run("DELETE FROM gateway_process")
    money.set_clock(NOW)
    first, second = money.register(), money.register()
    assert money.rows(OLDEST)[0][0] == first
    money.set_clock(NOW + timedelta(seconds=LEASE_S - 1))
    assert money.renew(second) == set()
    assert money.rows(OLDEST)[0][0] == first
    money.set_clock(NOW + timedelta(seconds=LEASE_S + 1))
    assert money.rows(OLDEST)[0][0] == second
    # The first wakes up before anybody fenced it, and is the oldest again; once fenced it is not.
    assert money.renew(first) == set()
    assert money.rows(OLDEST)[0][0] == first
    money.run("UPDATE gateway_process SET fenced = true WHERE id = %s", (first,))
    assert money.rows(OLDEST)[0][0] == second
