"""Figures of the whole platform, by model and backend: for operators, and for the public status of a model (sql/platform.sql).

As exact as the fold has come, which is a few seconds behind. Amounts are nano-USD, durations milliseconds.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from django.db import connection

from apps.usage import ranges
from apps.usage.figures import FIRST_TOKEN, percentile
from apps.usage.rollups import BUDGET_S, STEP

SUMS = (
    "requests",
    "errors",
    "faults",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "cost",
    "charged",
    "generated_tokens",
    "generating_ms",
)
Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Totals:
    """`errors` failed or were lost; of these `faults` were our doing or a backend's. What was not `charged` of the `cost` was written off."""

    requests: int = 0
    errors: int = 0
    faults: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
    charged: int = 0
    generated_tokens: int = 0
    generating_ms: int = 0
    histogram: dict[int, int] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for code, count in other.histogram.items():
            self.histogram[code] = self.histogram.get(code, 0) + count

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def written_off(self) -> int:
        return self.cost - self.charged

    @property
    def tokens_per_second(self) -> float | None:
        """How fast an answer is written, once it has begun; None where nothing was measured."""
        return self.generated_tokens * 1000 / self.generating_ms if self.generating_ms else None

    @property
    def uptime(self) -> float | None:
        """The share of requests, 0 to 1, that did not end badly by our doing or a backend's; None without a request."""
        return 1 - self.faults / self.requests if self.requests else None

    def first_token(self, percent: int = 50) -> float | None:
        return percentile({code - FIRST_TOKEN: count for code, count in self.histogram.items() if code >= FIRST_TOKEN}, percent)

    def duration(self, percent: int = 50) -> float | None:
        return percentile({code: count for code, count in self.histogram.items() if code < FIRST_TOKEN}, percent)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a model had on a backend (0: it reached none) in bucket number `bucket`."""

    bucket: int
    model_id: int
    backend_id: int
    totals: Totals


def fold(budget_s: float = BUDGET_S) -> None:
    """Bring the cells up to date, in steps; what does not fit in the time is left to the next call."""
    deadline = time.monotonic() + budget_s
    more = True
    while more and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT usage_fold_platform(%s)", [STEP])
            [more] = cursor.fetchone() or [False]


def refold(day: date) -> None:
    """Make the cells of a day (UTC) again from the log. Changes nothing that was right."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usage_refold_platform(%s)", [day])


def cells(edges: Sequence[datetime], model_id: int | None = None) -> list[Cell]:
    """What every model had on every backend in the buckets between these edges (Range.edges), or one model; empty ones are left out."""
    parts = ranges.segments(edges)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM usage_platform_sums(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s)",
            [
                [part.bucket for part in parts],
                [int(part.grain) for part in parts],
                [part.since for part in parts],
                [part.until for part in parts],
                model_id,
            ],
        )
        return [_cell(*row) for row in cursor.fetchall()]


def _cell(bucket: int, model_id: int, backend_id: int, *figures: Any) -> Cell:
    *sums, histogram = figures
    totals = Totals(*sums)
    totals.histogram = {code & 255: code >> 8 for code in histogram or ()}
    return Cell(bucket, model_id, backend_id, totals)


def together(found: Iterable[Cell], by: Callable[[Cell], Key]) -> dict[Key, Totals]:
    """Sums of cells that have the same key."""
    sums: dict[Key, Totals] = defaultdict(Totals)
    for cell in found:
        sums[by(cell)].add(cell.totals)
    return dict(sums)


def folded_until() -> datetime | None:
    """Up to when the log is in the cells; None before the first step."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN isfinite(settled_until) THEN settled_until END FROM usage_platformmark")
        [until] = cursor.fetchone() or [None]
    moment: datetime | None = until
    return moment
