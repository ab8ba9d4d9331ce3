"""Promise: ids are UUIDv7, grow with time, and tell their time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import ids

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


def test_ids_grow_and_never_repeat_across_threads() -> None:
    made: list[list[UUID]] = []

    def make() -> None:
        made.append([ids.uuid7() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len({each for own in made for each in own}) == 8_000


def test_ids_are_version_7() -> None:
    made = ids.uuid7()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_grow_while_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.uuid7()
    now = time.time_ns()
    monkeypatch.setattr(ids.time, "time_ns", lambda: now - 3_600 * 10**9)
    assert before < ids.uuid7() < ids.uuid7()


def test_an_id_tells_when_it_was_made() -> None:
    earliest = datetime.now(UTC) - timedelta(milliseconds=5)
    assert earliest <= ids.uuid7_time(ids.uuid7()) <= datetime.now(UTC) + timedelta(seconds=2)


@given(moments)
def test_the_floor_of_a_moment_is_its_millisecond_exactly(moment: datetime) -> None:
    floor = ids.uuid7_floor(moment)
    assert ids.uuid7_time(floor) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert floor.version == 7


@pytest.mark.parametrize("identifier", [uuid4(), UUID(int=(2**48 - 1) << 80 | 0x7 << 76 | 0b10 << 62)])
def test_ids_without_a_time_are_refused(identifier: UUID) -> None:
    with pytest.raises(ValueError, match="id"):
        ids.uuid7_time(identifier)
