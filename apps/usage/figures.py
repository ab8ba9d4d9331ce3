"""Figures of an account's usage over a range of time: sums, series, durations, forecast.

Everything is read from the sums of the log and what is not folded into them yet (sql/reads.sql), so it is exact to the last request that
has ended; a request counts when it ended, which is when it was charged. Amounts are nano-USD, durations milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection

from apps.usage import ranges
from apps.usage.models import Grain
from apps.usage.ranges import Bucket, Range

# Codes of a histogram (sql/fold.sql).
FIRST_TOKEN, CODES = 128, 256
PERCENTILES = (50, 90, 95, 99)
# Cells in which keys, models and dialects are together already.
OF_ALL = {Grain.HOUR: Grain.HOUR_OF_ALL, Grain.DAY: Grain.DAY_OF_ALL}

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
    has anything, in order of their `totals`: the most charged (then requests) first. `whole` is everything together."""

    starts: Sequence[datetime]
    end: datetime
    groups: Mapping[int, Sequence[Point]]
    totals: Mapping[int, Point]
    whole: Point


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the current month of the zone will have cost when it ends: what it has so far and, for the time that is left, the pace of the
    last seven days. `expected` is None when there is less than a day to judge by. `days` are those of the month, to its end, and
    `days_before` those of the month before."""

    month: Range
    so_far: int
    expected: int | None
    per_day: int | None
    days: Series[Sums]
    days_before: Series[Sums]


# A range and what its points stand for; None: the whole of it.
Asked = tuple[Range, Bucket | None]
ALL = Filters()


def totals(account_id: int, of: Range, group: Group = Group.NONE, filters: Filters = ALL) -> Mapping[int, Sums]:
    """Sums by group; groups without requests are left out, so an account without any has {}."""
    return together(account_id, [(of, None)], group, filters)[0].totals


def total(account_id: int, of: Range, filters: Filters = ALL) -> Sums:
    """The sum of everything in the range."""
    return together(account_id, [(of, None)], Group.NONE, filters)[0].whole


def series(account_id: int, of: Range, bucket: Bucket, group: Group = Group.NONE, filters: Filters = ALL) -> Series[Sums]:
    """Sums by bucket and group. ValueError for too many buckets."""
    return together(account_id, [(of, bucket)], group, filters)[0]


def together(account_id: int, asked: Sequence[Asked], group: Group = Group.NONE, filters: Filters = ALL) -> list[Series[Sums]]:
    """Several series in one question to Postgres, which takes hardly longer than the longest of them. ValueError for too many buckets."""
    found: list[Series[Sums]] = []
    edges = [_edges(*one) for one in asked]
    for ends, rows in zip(edges, _read("usage_sums", account_id, edges, group, filters), strict=True):
        points: dict[int, list[Sums]] = {}
        totals: dict[int, Sums] = defaultdict(Sums)
        whole = Sums()
        for number, value, *amounts in rows:
            sums = Sums(*amounts)
            if value not in points:
                points[value] = [Sums()] * (len(ends) - 1)  # one for all buckets without requests
            points[value][number] = sums
            totals[value].add(sums)
            whole.add(sums)
        order = sorted(totals, key=lambda value: (-totals[value].charged, -totals[value].requests, value))
        found.append(
            Series(ends[:-1], ends[-1], {value: points[value] for value in order}, {value: totals[value] for value in order}, whole)
        )
    return found


def durations(account_id: int, of: Range, bucket: Bucket, group: Group = Group.NONE, filters: Filters = ALL) -> Series[Durations]:
    """Percentiles by bucket and group, and over the whole range (`totals`, `whole`); the group with the most requests first."""
    return durations_together(account_id, [(of, bucket)], group, filters)[0]


def durations_together(
    account_id: int, asked: Sequence[Asked], group: Group = Group.NONE, filters: Filters = ALL
) -> list[Series[Durations]]:
    """Like `together`."""
    found: list[Series[Durations]] = []
    edges = [_edges(*one) for one in asked]
    for ends, rows in zip(edges, _read("usage_durations", account_id, edges, group, filters), strict=True):
        points: dict[int, list[Durations]] = {}
        totals: dict[int, list[int]] = {}
        for number, value, codes, counts in rows:
            if value not in points:
                points[value], totals[value] = [Durations()] * (len(ends) - 1), [0] * CODES
            points[value][number] = _durations(codes, counts)
            histogram = totals[value]
            for code, count in zip(codes, counts, strict=True):
                histogram[code] += count
        order = sorted(totals, key=lambda value: (-sum(totals[value]), value))
        whole = [sum(counts) for counts in zip(*totals.values(), strict=True)]
        found.append(
            Series(
                ends[:-1],
                ends[-1],
                {value: points[value] for value in order},
                {value: _durations_of_all(totals[value]) for value in order},
                _durations_of_all(whole),
            )
        )
    return found


def forecast(account_id: int, zone: ZoneInfo, now: datetime) -> Forecast:
    """For the month of the zone that `now` lies in."""
    month = ranges.month_of(now, zone)
    asked = [(month, Bucket.DAY), (month.before, Bucket.DAY), (ranges.last(timedelta(days=7), now, zone), Bucket.DAY)]
    days, days_before, week = together(account_id, asked)
    so_far = days.whole.charged
    used = week.groups.get(0, [])
    begun = next((start for start, sums in zip(week.starts, used, strict=False) if sums.requests), None)
    if begun is None or now - begun < timedelta(days=1):
        return Forecast(month, so_far, None, None, days, days_before)
    spent = week.whole.charged
    seconds = int((now - begun).total_seconds())
    left = max(0, int((month.end - now).total_seconds()))
    return Forecast(month, so_far, so_far + spent * left // seconds, spent * 86_400 // seconds, days, days_before)


def percentile(histogram: Mapping[int, int], percent: int) -> float | None:
    """Milliseconds that `percent` of the durations do not exceed, by buckets 0–127 and their counts; None of an empty one."""
    buckets = sorted(histogram)
    return _percentiles(buckets, [histogram[bucket] for bucket in buckets], (percent,)).get(percent)


def _durations(codes: Sequence[int], counts: Sequence[int]) -> Durations:
    """Of a histogram: its codes in order, and their counts."""
    first = bisect_left(codes, FIRST_TOKEN)
    return Durations(
        _percentiles(codes[:first], counts[:first]), _percentiles([code - FIRST_TOKEN for code in codes[first:]], counts[first:])
    )


def _durations_of_all(histogram: Sequence[int]) -> Durations:
    """Of the counts of all codes."""
    codes = [code for code, count in enumerate(histogram) if count]
    return _durations(codes, [histogram[code] for code in codes])


def _percentiles(buckets: Sequence[int], counts: Sequence[int], percents: Sequence[int] = PERCENTILES) -> dict[int, float]:
    """Of buckets, the shortest first, and their counts. Inside of a bucket, which is a fifth wide, durations are taken to lie evenly on a
    logarithmic scale."""
    found: dict[int, float] = {}
    if not buckets:
        return found
    reached = list(accumulate(counts))
    for percent in percents:
        wanted = reached[-1] * percent / 100
        at = bisect_left(reached, wanted)
        inside = 1 - (reached[at] - wanted) / counts[at]
        found[percent] = float(2 ** ((buckets[at] - 1 + inside) / 4)) if buckets[at] else 1.0
    return found


def _edges(of: Range, bucket: Bucket | None) -> list[datetime]:
    return of.edges(bucket) if bucket else [of.start, of.end]


def _read(
    function: str, account_id: int, edges: Sequence[Sequence[datetime]], group: Group, filters: Filters
) -> list[list[tuple[Any, ...]]]:
    """The function's rows for each of several lists of edges: number of the bucket in its list, value of the group, and what follows."""
    firsts = [0, *accumulate(len(ends) - 1 for ends in edges)]
    parts = [
        part._replace(bucket=_later(part.bucket, first), taken_from=_later(part.taken_from, first))
        for first, ends in zip(firsts, edges, strict=False)
        for part in ranges.shifted_segments(ends)
    ]
    found: list[list[tuple[Any, ...]]] = [[] for _ in edges]
    together = group in (Group.NONE, Group.STATUS) and filters.models is filters.keys is filters.dialects is None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM {function}(%s, %s::int[], %s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s, "  # noqa: S608
            "%s::bigint[], %s::bigint[], %s::smallint[], %s::smallint[])",
            [
                account_id,
                [part.bucket for part in parts],
                [part.taken_from for part in parts],
                [int(OF_ALL.get(part.grain, part.grain) if together else part.grain) for part in parts],
                [part.since for part in parts],
                [part.until for part in parts],
                group.value,
                *(
                    None if chosen is None else list(chosen)
                    for chosen in (filters.keys, filters.models, filters.statuses, filters.dialects)
                ),
            ],
        )
        for bucket, *rest in cursor.fetchall():
            number = bisect_right(firsts, bucket) - 1
            found[number].append((bucket - firsts[number], *rest))
    return found


def _later(bucket: int | None, by: int) -> int | None:
    return None if bucket is None else bucket + by
