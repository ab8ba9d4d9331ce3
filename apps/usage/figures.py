"""Figures of an account's usage over a range of time: sums, series, durations, comparison, forecast.

Everything is read from the sums of the log and what is not folded into them yet (sql/reads.sql), so it is exact to the last request that
has ended; a request counts when it ended, which is when it was charged. Amounts are nano-USD, durations milliseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection

from apps.usage import ranges
from apps.usage.ranges import Bucket, Range

# Codes of a histogram (sql/fold.sql).
FIRST_TOKEN = 128
PERCENTILES = (50, 90, 95, 99)

Point = TypeVar("Point")


class Group(StrEnum):
    """What a sum can be split by. The value of a group is an id of a model or key (0: without a key, as in the Playground), a Status or
    a Dialect; 0 for NONE."""

    NONE = ""
    MODEL = "model"
    KEY = "key"
    STATUS = "status"
    DIALECT = "dialect"


@dataclass(frozen=True, slots=True)
class Filters:
    """Only these models, keys (0: without one), statuses and dialects; None: all."""

    models: Sequence[int] | None = None
    keys: Sequence[int] | None = None
    statuses: Sequence[int] | None = None
    dialects: Sequence[int] | None = None


@dataclass(slots=True)
class Sums:
    """`errors` are requests that failed or were lost; those that the client cancelled are none. Prompt tokens include the cached ones,
    completion tokens the reasoning. `charged` is what was paid; `cost` − `charged` was written off."""

    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    charged: int = 0

    def add(self, other: Sums) -> None:
        self.requests += other.requests
        self.errors += other.errors
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.cost += other.cost
        self.charged += other.charged

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Durations:
    """Percentiles in milliseconds by their number (PERCENTILES), right to a tenth of their size; empty without any request."""

    total: Mapping[int, float] = field(default_factory=dict)
    first_token: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series(Generic[Point]):
    """`starts` are where the buckets begin, `end` where the last one ends. `groups` holds a list as long as `starts` for each group that
    has anything, in order of their `totals`: the most charged (then requests) first."""

    starts: Sequence[datetime]
    end: datetime
    groups: Mapping[int, Sequence[Point]]
    totals: Mapping[int, Point]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A range and the one before it (Range.before)."""

    now: Sums
    before: Sums
    range_before: Range


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the current month of the zone will have cost when it ends: what it has so far and, for the time that is left, the pace of the
    last seven days. `expected` is None when there is less than a day to judge by."""

    month: Range
    so_far: int
    expected: int | None
    per_day: int | None


ALL = Filters()


def totals(account_id: int, of: Range, group: Group = Group.NONE, filters: Filters = ALL) -> dict[int, Sums]:
    """Sums by group; groups without requests are left out, so an account without any has {}."""
    return {value: sums for (_, value), sums in _sums(account_id, [of.start, of.end], group, filters).items()}


def total(account_id: int, of: Range, filters: Filters = ALL) -> Sums:
    """The sum of everything in the range."""
    return totals(account_id, of, Group.NONE, filters).get(0, Sums())


def series(account_id: int, of: Range, bucket: Bucket, group: Group = Group.NONE, filters: Filters = ALL) -> Series[Sums]:
    """Sums by bucket and group. ValueError for too many buckets."""
    edges = of.edges(bucket)
    points: dict[int, list[Sums]] = {}
    whole: dict[int, Sums] = defaultdict(Sums)
    for (number, value), sums in _sums(account_id, edges, group, filters).items():
        if value not in points:
            points[value] = [Sums() for _ in edges[1:]]
        points[value][number] = sums
        whole[value].add(sums)
    order = sorted(whole, key=lambda value: (-whole[value].charged, -whole[value].requests, value))
    return Series(edges[:-1], edges[-1], {value: points[value] for value in order}, {value: whole[value] for value in order})


def durations(account_id: int, of: Range, bucket: Bucket, group: Group = Group.NONE, filters: Filters = ALL) -> Series[Durations]:
    """Percentiles by bucket and group, and over the whole range (`totals`); the group with the most requests first."""
    edges = of.edges(bucket)
    cells = _histograms(account_id, edges, group, filters)
    whole: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for (_, value), histogram in cells.items():
        for code, count in histogram.items():
            whole[value][code] += count
    order = sorted(whole, key=lambda value: (-sum(whole[value].values()), value))
    points = {value: [_durations(cells.get((number, value), {})) for number in range(len(edges) - 1)] for value in order}
    return Series(edges[:-1], edges[-1], points, {value: _durations(whole[value]) for value in order})


def duration(account_id: int, of: Range, filters: Filters = ALL) -> Durations:
    """Percentiles over the whole range."""
    return _durations(_histograms(account_id, [of.start, of.end], Group.NONE, filters).get((0, 0), {}))


def comparison(account_id: int, of: Range, filters: Filters = ALL) -> Comparison:
    """The range and the one before it."""
    return Comparison(total(account_id, of, filters), total(account_id, of.before, filters), of.before)


def forecast(account_id: int, zone: ZoneInfo, now: datetime) -> Forecast:
    """For the month of the zone that `now` lies in."""
    month = ranges.month_of(now, zone)
    so_far = total(account_id, month).charged
    week = ranges.last(timedelta(days=7), now, zone)
    days = series(account_id, week, Bucket.DAY)
    used = days.groups.get(0, [])
    begun = next((start for start, sums in zip(days.starts, used, strict=False) if sums.requests), None)
    if begun is None or now - begun < timedelta(days=1):
        return Forecast(month, so_far, None, None)
    spent = sum(sums.charged for sums in used)
    seconds = int((now - begun).total_seconds())
    left = max(0, int((month.end - now).total_seconds()))
    return Forecast(month, so_far, so_far + spent * left // seconds, spent * 86_400 // seconds)


def percentile(histogram: Mapping[int, int], percent: int) -> float | None:
    """Milliseconds that `percent` of the durations do not exceed, by buckets 0–127 and their counts; None of an empty one.

    Inside of a bucket, which is a fifth wide, durations are taken to lie evenly on a logarithmic scale."""
    count = sum(histogram.values())
    if not count:
        return None
    wanted = count * percent / 100
    for bucket in sorted(histogram):
        if wanted <= histogram[bucket]:
            return float(2 ** ((bucket - 1 + wanted / histogram[bucket]) / 4)) if bucket else 1.0
        wanted -= histogram[bucket]
    return float(2 ** (max(histogram) / 4))


def _durations(histogram: Mapping[int, int]) -> Durations:
    whole = {code: count for code, count in histogram.items() if code < FIRST_TOKEN}
    first = {code - FIRST_TOKEN: count for code, count in histogram.items() if code >= FIRST_TOKEN}
    return Durations(
        *({percent: value for percent in PERCENTILES if (value := percentile(part, percent)) is not None} for part in (whole, first))
    )


def _sums(account_id: int, edges: Sequence[datetime], group: Group, filters: Filters) -> dict[tuple[int, int], Sums]:
    """By number of the bucket and value of the group."""
    return {(number, value): Sums(*amounts) for number, value, *amounts in _read("usage_sums", account_id, edges, group, filters)}


def _histograms(account_id: int, edges: Sequence[datetime], group: Group, filters: Filters) -> dict[tuple[int, int], dict[int, int]]:
    found: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for number, value, code, count in _read("usage_durations", account_id, edges, group, filters):
        found[number, value][code] = count
    return found


def _read(function: str, account_id: int, edges: Sequence[datetime], group: Group, filters: Filters) -> list[tuple[int, ...]]:
    parts = ranges.segments(edges)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM {function}(%s, %s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s, "  # noqa: S608
            "%s::bigint[], %s::bigint[], %s::smallint[], %s::smallint[])",
            [
                account_id,
                [part.bucket for part in parts],
                [int(part.grain) for part in parts],
                [part.since for part in parts],
                [part.until for part in parts],
                group.value,
                *(
                    None if chosen is None else list(chosen)
                    for chosen in (filters.keys, filters.models, filters.statuses, filters.dialects)
                ),
            ],
        )
        return cursor.fetchall()
