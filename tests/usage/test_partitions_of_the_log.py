"""The inference log has a partition for each month, made ahead; no charge fails for want of one, and no id is logged twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from apps.core.ids import uuid7_floor
from tests.gateway.database import CHARGED_DIRECTLY, SETTLED_BEFORE, Database, Ending, utc

pytest_plugins = ["tests.gateway.fixtures"]

MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def log(money: Database) -> Iterator[Database]:
    """A session in a transaction that is never committed, so that no partition stays."""
    with money.connection.transaction() as everything:
        yield money
        raise psycopg.Rollback(everything)


def charge(money: Database, account: int, moment: datetime) -> UUID:
    identifier = uuid7_floor(moment)
    assert money.settle(Ending(identifier, account, cost=1)) == [(CHARGED_DIRECTLY, 1)]
    return identifier


def partition_of(money: Database, identifier: UUID) -> str:
    return money.rows("SELECT tableoid::regclass::text AS name FROM usage_inference WHERE id = %s", (identifier,))[0].name


def make(money: Database, now: datetime, months_ahead: int) -> int:
    money.set_clock(now)
    return int(money.rows("SELECT usage_make_partitions(%s) AS made", (months_ahead,))[0].made)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_months_begin_and_end_in_utc_whatever_the_zone_of_the_session(log: Database, zone: str) -> None:
    log.connection.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
    account = log.account(100)
    assert make(log, utc(2031, 1, 31, 23, 59, 59), 2) == 3  # 31 January and months that have no such day
    for first, name in ((utc(2031, 2, 1), "2031_02"), (utc(2031, 3, 1), "2031_03")):
        assert partition_of(log, charge(log, account, first)) == f"usage_inference_{name}"
    assert partition_of(log, charge(log, account, utc(2031, 2, 1) - MILLISECOND)) == "usage_inference_2031_01"
    assert partition_of(log, charge(log, account, utc(2031, 4, 1))) == "usage_inference_other"


def test_29_february_is_in_february(log: Database) -> None:
    account = log.account(100)
    make(log, utc(2032, 2, 29, 12), 0)
    assert partition_of(log, charge(log, account, utc(2032, 3, 1) - MILLISECOND)) == "usage_inference_2032_02"


def test_partitions_that_exist_stay_as_they_are(log: Database) -> None:
    account = log.account(100)
    assert make(log, utc(2031, 11, 5), 1) == 2
    charged = charge(log, account, utc(2031, 11, 7))
    assert make(log, utc(2031, 12, 1), 2) == 2
    assert make(log, utc(2031, 12, 1), 2) == 0
    assert partition_of(log, charged) == "usage_inference_2031_11"


def test_rows_that_came_before_their_partition_move_into_it(log: Database) -> None:
    account = log.account(100)
    early, later = charge(log, account, utc(2031, 5, 3)), charge(log, account, utc(2031, 7, 3))
    assert partition_of(log, early) == "usage_inference_other"
    assert make(log, utc(2031, 5, 4), 1) == 2
    assert (partition_of(log, early), partition_of(log, later)) == ("usage_inference_2031_05", "usage_inference_other")
    assert log.settle(Ending(early, account, cost=1)) == [(SETTLED_BEFORE, 0)]


def test_a_partition_has_the_checks_and_indexes_of_the_log(log: Database) -> None:
    make(log, utc(2031, 5, 4), 0)
    indexes = "SELECT count(*) AS n FROM pg_index WHERE indrelid = 'usage_inference{}'::regclass"
    assert log.rows(indexes.format("_2031_05")) == log.rows(indexes.format("_other")) == log.rows(indexes.format(""))
    account = log.account(100)
    with pytest.raises(psycopg.errors.CheckViolation), log.connection.transaction():
        log.settle(Ending(uuid7_floor(utc(2031, 5, 4)), account, cost=1, prompt_tokens=-1))


def test_the_two_makers_of_the_smallest_id_of_a_moment_agree(money: Database) -> None:
    for moment in (utc(1970, 1, 1), utc(2028, 2, 29, 23, 59, 59), utc(2026, 11, 21, 1, 2, 3), utc(9999, 12, 31)):
        assert money.rows("SELECT usage_uuid7_floor(%s) AS id", (moment,))[0].id == uuid7_floor(moment)
