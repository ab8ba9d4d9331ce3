"""Promise: buckets are those of the account's time zone, on days of 23 and 25 hours, in zones of half and quarter hours and at the ends
of months; and each is made of cells without a gap or an overlap."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.usage.models import Grain
from apps.usage.ranges import QUARTER, Bucket, Range, day_of, last, last_days, month_of, segments, shifted_segments

ZONES = [
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Chatham",
    "Europe/Berlin",
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        ("America/New_York", utc(2026, 3, 8, 12), 23),
        ("America/New_York", utc(2026, 11, 1, 12), 25),
        ("Australia/Lord_Howe", utc(2026, 4, 4, 20), 24.5),
        ("America/Sao_Paulo", utc(2018, 11, 4, 12), 23),  # the clock jumped over midnight
        ("Asia/Kathmandu", utc(2026, 5, 1), 24),
    ],
)
def test_a_day_is_as_long_as_it_is_in_its_zone(zone: str, moment: datetime, hours: float) -> None:
    day = day_of(moment, ZoneInfo(zone))
    assert day.end - day.start == timedelta(hours=hours)
    assert day.start <= moment < day.end


def test_months_and_what_they_are_compared_with() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    march = month_of(utc(2024, 3, 31, 21, 59), berlin)
    assert (march.start, march.end) == (utc(2024, 2, 29, 23), utc(2024, 3, 31, 22))
    assert march.before == month_of(utc(2024, 2, 29), berlin)
    january = month_of(utc(2024, 1, 5), berlin)
    assert january.before == month_of(utc(2023, 12, 5), berlin)
    year = Range(january.start, month_of(utc(2024, 12, 5), berlin).end, berlin)
    assert year.before.start == month_of(utc(2023, 1, 5), berlin).start
    week = last_days(7, utc(2026, 3, 31, 12), berlin)  # the clock went forward on the 29th
    assert week.before.end == week.start
    assert (week.end - week.start, week.before.end - week.before.start) == (timedelta(hours=167), timedelta(hours=168))
    hour = last(timedelta(hours=1), utc(2026, 3, 31, 12, 7), berlin)
    assert (hour.start, hour.end) == (utc(2026, 3, 31, 11), utc(2026, 3, 31, 12, 15))
    assert hour.before.start == utc(2026, 3, 31, 9, 45)


def test_buckets_begin_where_the_zones_clock_says() -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    day = day_of(utc(2026, 5, 4, 12), kolkata)
    assert day.edges(Bucket.HOUR)[:2] == [utc(2026, 5, 3, 18, 30), utc(2026, 5, 3, 19, 30)]
    assert len(day.edges(Bucket.HOUR)) == 25
    fall = day_of(utc(2026, 11, 1, 12), ZoneInfo("America/New_York"))
    assert len(fall.edges(Bucket.HOUR)) == 26
    weeks = month_of(utc(2026, 5, 4), kolkata).edges(Bucket.WEEK)
    assert [moment.astimezone(kolkata).weekday() for moment in weeks[1:-1]] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "edges", [(utc(2026, 1, 1), utc(2026, 1, 1)), (utc(2026, 1, 1, 0, 7), utc(2026, 1, 2)), (utc(1999, 1, 1), utc(2026, 1, 1))]
)
def test_what_is_no_range_is_refused(edges: tuple[datetime, datetime]) -> None:
    with pytest.raises(ValueError, match=r"start|years"):
        Range(*edges, ZoneInfo("UTC"))
    with pytest.raises(ValueError, match="points"):
        Range(utc(2020, 1, 1), utc(2026, 1, 1), ZoneInfo("UTC")).edges(Bucket.HOUR)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 70_080),
    st.integers(1, 3_000),
    st.sampled_from(list(Bucket)),
)
def test_every_bucket_is_made_of_whole_cells_without_gap_or_overlap(zone: str, start: int, length: int, bucket: Bucket) -> None:
    span = Range(utc(2025, 1, 1) + start * QUARTER, utc(2025, 1, 1) + (start + length) * QUARTER, ZoneInfo(zone))
    try:
        edges = span.edges(bucket)
    except ValueError:
        return
    assert edges == sorted(set(edges))
    assert (edges[0], edges[-1]) == (span.start, span.end)
    parts = segments(edges)
    at = span.start
    for part in parts:
        assert part.since == at < part.until
        width = timedelta(minutes=part.grain)
        assert (part.since - utc(2000, 1, 1)) % width == (part.until - utc(2000, 1, 1)) % width == timedelta()
        assert edges[part.bucket] <= part.since
        assert part.until <= edges[part.bucket + 1]
        at = part.until
    assert at == span.end
    fine = sum(part.grain == Grain.QUARTER for part in parts)
    assert fine <= 2 * (len(edges) - 1)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 70_080),
    st.integers(1, 3_000),
    st.sampled_from(list(Bucket)),
)
def test_what_is_taken_from_one_bucket_and_added_to_another_leaves_each_its_own_time(
    zone: str, start: int, length: int, bucket: Bucket
) -> None:
    span = Range(utc(2025, 1, 1) + start * QUARTER, utc(2025, 1, 1) + (start + length) * QUARTER, ZoneInfo(zone))
    try:
        edges = span.edges(bucket)
    except ValueError:
        return
    counted: Counter[tuple[int, datetime]] = Counter()
    for part in shifted_segments(edges):
        width = timedelta(minutes=part.grain)
        assert (part.since - utc(2000, 1, 1)) % width == (part.until - utc(2000, 1, 1)) % width == timedelta()
        quarters = [part.since + n * QUARTER for n in range((part.until - part.since) // QUARTER)]
        for number, sign in ((part.bucket, 1), (part.taken_from, -1)):
            if number is not None:
                for quarter in quarters:
                    counted[number, quarter] += sign
    held = {place for place, count in counted.items() if count}
    assert {counted[place] for place in held} == {1}
    assert held == {
        (number, since + n * QUARTER) for number, (since, until) in enumerate(pairwise(edges)) for n in range((until - since) // QUARTER)
    }


def test_days_of_a_zone_are_read_as_days_and_what_lies_between() -> None:
    days = last_days(90, utc(2026, 7, 1, 12), ZoneInfo("America/New_York")).edges(Bucket.DAY)
    read = Counter[Grain]()
    for part in shifted_segments(days):
        read[part.grain] += (part.until - part.since) // timedelta(minutes=part.grain)
    assert read == {Grain.DAY: 90, Grain.HOUR: 91 * 4}
