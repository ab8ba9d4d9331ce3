"""Charts as data: what static/js/charts.js draws, and the table that says the same.

A chart is ordinal: a bucket of time stands beside the next one however long they are (days of 23 hours, months). So the browser needs
to know no time zone; it gets each bucket's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from typing import Any, Literal

from apps.usage.ranges import Bucket

Unit = Literal["usd", "tokens", "count", "seconds"]
MOST_SERIES = 5
OTHER = 5  # the colour of what is left over, a grey


@dataclass(frozen=True, slots=True)
class Line:
    """A series. `values` are as long as the chart's labels: nano-USD, tokens, requests or milliseconds; None is a gap. `color` is the
    number of one of the tokens --c-1 to --c-5."""

    name: str
    values: Sequence[int | None]
    color: int
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """`labels` stand under the chart, `titles` name a bucket in full. `stacked` lines lie on one another."""

    name: str
    kind: Literal["area", "bars", "lines"]
    unit: Unit
    labels: Sequence[str]
    titles: Sequence[str]
    lines: Sequence[Line]

    @property
    def data(self) -> dict[str, Any]:
        """For json_script."""
        return {**_fields(self), "lines": [_fields(line) for line in self.lines]}

    @property
    def empty(self) -> bool:
        return not any(value for line in self.lines for value in line.values)

    @property
    def rows(self) -> list[tuple[str, list[int | None]]]:
        """The table behind it, newest first, without buckets in which nothing was."""
        columns = [line.values for line in self.lines]
        rows = [(title, [values[number] for values in columns]) for number, title in enumerate(self.titles)]
        return [(title, values) for title, values in reversed(rows) if any(values)]


def _fields(one: Chart | Line) -> dict[str, Any]:
    """As they are: dataclasses.asdict() would copy every number."""
    return {part.name: getattr(one, part.name) for part in fields(one)}


def folded(lines: Sequence[tuple[str, Sequence[int]]]) -> list[Line]:
    """At most MOST_SERIES of these, the first ones; the rest as one, "Other"."""
    if len(lines) <= MOST_SERIES:
        return [Line(name, values, number + 1) for number, (name, values) in enumerate(lines)]
    kept = [Line(name, values, number + 1) for number, (name, values) in enumerate(lines[: MOST_SERIES - 1])]
    rest = [sum(values) for values in zip(*(values for _, values in lines[MOST_SERIES - 1 :]), strict=True)]
    return [*kept, Line(f"Other ({len(lines) - MOST_SERIES + 1})", rest, OTHER)]


def labels_of(starts: Sequence[datetime], bucket: Bucket, zone: tzinfo) -> tuple[list[str], list[str]]:
    """For each bucket a short name, and one that says all."""
    local = [start.astimezone(zone) for start in starts]
    if bucket in (Bucket.QUARTER, Bucket.HOUR):
        return [f"{one:%H:%M}" for one in local], [f"{one.day} {one:%b %Y, %H:%M %Z}" for one in local]
    if bucket == Bucket.MONTH:
        return [f"{one:%b %Y}" for one in local], [f"{one:%B %Y}" for one in local]
    week = "Week from " if bucket == Bucket.WEEK else ""
    return [f"{one.day} {one:%b}" for one in local], [f"{week}{one:%a} {one.day} {one:%b %Y}" for one in local]
