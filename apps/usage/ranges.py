"""Ranges of time in an IANA time zone: their buckets, and which cells of the sums fill a bucket without a rest. Pure.

A moment is an aware datetime. Ranges are half open, [start, end), in whole quarters of an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from apps.usage.models import Grain

MOST_BUCKETS = 800
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HALF_A_DAY = timedelta(hours=12)


class Bucket(StrEnum):
    """What a point of a series stands for. Hours and quarters are the clock's; days, weeks (from Monday) and months are the zone's."""

    QUARTER = "15m"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Range:
    """[start, end), in UTC, as seen in `zone`. Raises ValueError when it is empty, not in whole quarters, or beyond the years 2000 to 2999."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    def __post_init__(self) -> None:
        for name in ("start", "end"):  # differences of two moments of one zone would be those of its clock, not of time
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))
        if not self.start < self.end:
            raise ValueError("the start must lie before the end")
        if any((moment - EPOCH) % QUARTER for moment in (self.start, self.end)):
            raise ValueError("start and end must be whole quarters of an hour")
        if self.start.year < 2000 or self.end.year >= 3000:
            raise ValueError("only the years 2000 to 2999")

    @property
    def before(self) -> Range:
        """The range to compare with: the months or days before, as many of the zone's, when this one begins and ends with them;
        otherwise the same time before."""
        first, last = self.start.astimezone(self.zone), self.end.astimezone(self.zone)
        if first.time() == last.time() == time():
            if first.day == last.day == 1:
                months = (last.year - first.year) * 12 + last.month - first.month
                return Range(midnight(_months_on(first.date(), -months), self.zone), self.start, self.zone)
            return Range(midnight(first.date() - (last.date() - first.date()), self.zone), self.start, self.zone)
        return Range(self.start - (self.end - self.start), self.start, self.zone)

    @property
    def usual_bucket(self) -> Bucket:
        """One that gives a chart between about a dozen and a hundred points."""
        length = self.end - self.start
        for most, bucket in ((6, Bucket.QUARTER), (49, Bucket.HOUR), (24 * 93, Bucket.DAY), (24 * 750, Bucket.WEEK)):
            if length <= timedelta(hours=most):
                return bucket
        return Bucket.MONTH

    def edges(self, bucket: Bucket) -> list[datetime]:
        """Where the range and its buckets begin, then its end; the first and the last bucket may be cut short by the range. ValueError
        when there are more than MOST_BUCKETS."""
        edges = [self.start]
        for moment in _starts(self.start, bucket, self.zone):
            if moment >= self.end:
                break
            if moment > self.start:
                edges.append(moment)
            if len(edges) > MOST_BUCKETS:
                raise ValueError(f"more than {MOST_BUCKETS} points: take a longer bucket or a shorter range")
        return [*edges, self.end]


class Segment(NamedTuple):
    """Time that cells of one grain fill without a rest, [since, until): what it holds is added to bucket number `bucket`, and taken away from
    bucket number `taken_from`. None: no bucket."""

    bucket: int | None
    grain: Grain
    since: datetime
    until: datetime
    taken_from: int | None = None


def segments(edges: Sequence[datetime]) -> list[Segment]:
    """What to read for the buckets between these edges: as few cells as can be, each request in one."""
    return [
        Segment(number, *part)
        for number, (since, until) in enumerate(pairwise(edges))
        for part in _parts(since, until, (Grain.DAY, Grain.HOUR, Grain.QUARTER))
    ]


def shifted_segments(edges: Sequence[datetime]) -> list[Segment]:
    """Like `segments`, of fewer cells where buckets are long: whole days in UTC stand for those of the zone, and what lies between the
    beginnings of the two, never more than half a day, is taken from one bucket and added to the one beside it. A day of New York is a day
    and four or five hours, not twenty-four hours. What sums over it must be such that it can be taken away again."""
    days = [_near_midnight(edges, number) for number in range(len(edges))]
    found = segments(days)
    for number, (edge, day) in enumerate(zip(edges, days, strict=True)):
        left, right = number - 1 if number else None, number if number < len(edges) - 1 else None
        into, out_of = (left, right) if day < edge else (right, left)
        found += [Segment(into, *part, out_of) for part in _parts(min(day, edge), max(day, edge), (Grain.HOUR, Grain.QUARTER))]
    return found


def month_of(moment: datetime, zone: ZoneInfo) -> Range:
    """The calendar month of `zone` that a moment lies in."""
    first = moment.astimezone(zone).date().replace(day=1)
    return Range(midnight(first, zone), midnight(_months_on(first, 1), zone), zone)


def day_of(moment: datetime, zone: ZoneInfo) -> Range:
    """The day of `zone` that a moment lies in: 23 to 25 hours."""
    day = moment.astimezone(zone).date()
    return Range(midnight(day, zone), midnight(day + timedelta(days=1), zone), zone)


def last(length: timedelta, now: datetime, zone: ZoneInfo) -> Range:
    """The time up to now, to the end of the current quarter."""
    end = _floor(now, QUARTER) + QUARTER
    return Range(_floor(now - length, QUARTER), end, zone)


def last_days(days: int, now: datetime, zone: ZoneInfo) -> Range:
    """So many days of the zone, today being the last."""
    today = now.astimezone(zone).date()
    return Range(midnight(today - timedelta(days=days - 1), zone), midnight(today + timedelta(days=1), zone), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins in a zone, in UTC. Where the clock jumps over midnight, when it has jumped."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _near_midnight(edges: Sequence[datetime], number: int) -> datetime:
    """The midnight in UTC next to an edge; the edge itself where a bucket beside it is too short for that to spare anything."""
    edge = edges[number]
    if any(abs(edge - beside) < HALF_A_DAY for beside in (*edges[max(0, number - 1) : number], *edges[number + 1 : number + 2])):
        return edge
    return _floor(edge + HALF_A_DAY, 2 * HALF_A_DAY)


def _parts(since: datetime, until: datetime, grains: Sequence[Grain]) -> Iterator[tuple[Grain, datetime, datetime]]:
    grain, *finer = grains
    width = timedelta(minutes=grain)
    first, last_ = _ceiling(since, width), _floor(until, width)
    if first >= last_:
        if finer:
            yield from _parts(since, until, finer)
        return
    if since < first:
        yield from _parts(since, first, finer)
    yield grain, first, last_
    if last_ < until:
        yield from _parts(last_, until, finer)


def _starts(moment: datetime, bucket: Bucket, zone: ZoneInfo) -> Iterator[datetime]:
    """The buckets' beginnings from the one that `moment` lies in, for ever."""
    if bucket in (Bucket.QUARTER, Bucket.HOUR):
        width = QUARTER if bucket == Bucket.QUARTER else timedelta(hours=1)
        # Hours begin where the zone's clock shows a full one.
        offset = (moment.astimezone(zone).utcoffset() or timedelta()) % width
        start = _floor(moment + offset, width) - offset
        while True:
            yield start
            start += width
    day = moment.astimezone(zone).date()
    if bucket == Bucket.WEEK:
        day -= timedelta(days=day.weekday())
    elif bucket == Bucket.MONTH:
        day = day.replace(day=1)
    while True:
        yield midnight(day, zone)
        day = _months_on(day, 1) if bucket == Bucket.MONTH else day + timedelta(days=7 if bucket == Bucket.WEEK else 1)


def _months_on(first: date, months: int) -> date:
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - EPOCH) % width


def _ceiling(moment: datetime, width: timedelta) -> datetime:
    return moment + (EPOCH - moment) % width
