"""What a key spent on each of the last days, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from apps.core.moments import database_now
from apps.usage.queries import DayUsage, days_of_key

DAYS = 30
# Of the drawing, which the page stretches: each day is STEP wide.
HEIGHT, STEP, BAR = 100, 10, 7
NONE = DayUsage()


@dataclass(frozen=True, slots=True)
class Bar:
    """A day: where its bar stands, from the top left."""

    day: date
    requests: int
    charged: int
    x: int
    y: int
    height: int
    today: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """`highest` is the top of the axis, in nano-USD."""

    bars: Sequence[Bar]
    highest: int

    @property
    def width(self) -> int:
        return STEP * len(self.bars)


def spend_chart(key_id: int) -> Chart:
    """The last DAYS days in UTC, today the last of them."""
    today = database_now().astimezone(UTC).date()
    days = [today - timedelta(days=age) for age in range(DAYS - 1, -1, -1)]
    used = days_of_key(key_id, days[0])
    highest = max((day.charged for day in used.values()), default=0)
    bars = []
    for number, day in enumerate(days):
        usage = used.get(day, NONE)
        height = -(-usage.charged * HEIGHT // highest) if highest else 0  # rounded up: what was spent can be seen
        bars.append(Bar(day, usage.requests, usage.charged, number * STEP + (STEP - BAR) // 2, HEIGHT - height, height, day == today))
    return Chart(bars, highest)
