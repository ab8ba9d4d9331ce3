"""How each model did over the last days, by what its requests met: worked out once in a while for all models of a process."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError

from apps.core.moments import database_now
from apps.usage import platform, ranges
from apps.usage.platform import Totals

log = logging.getLogger(__name__)

DAYS = 7
KEPT_S = 60
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Lately:
    """By a model's primary key; `read_at` by the monotonic clock."""

    totals: dict[int, Totals]
    read_at: float


_last: Lately | None = None


def lately(model_id: int) -> Totals:
    """What a model's requests of the last DAYS days came to. While Postgres is away, what was read last (at first: nothing)."""
    global _last
    if _last is None or monotonic() - _last.read_at > KEPT_S:
        try:
            edges = ranges.last_days(DAYS, database_now(), UTC).edges(ranges.Bucket.DAY)
            _last = Lately(platform.together(platform.cells(edges), lambda cell: cell.model_id), monotonic())
        except (OperationalError, InterfaceError) as error:
            log.warning("how models did lately could not be read (%s)", type(error).__name__)
            _last = Lately(_last.totals if _last else {}, monotonic())
    return _last.totals.get(model_id, Totals())


def percent(share: float | None) -> str:
    """`99.95 %`, rounded down, so that 100 % means that nothing failed; empty for None."""
    return "" if share is None else f"{int(share * 10_000) / 100:.2f}\N{NO-BREAK SPACE}%"
