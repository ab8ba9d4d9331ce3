"""`/status`, for everybody: whether each model is served, how often it was over ninety days, and how soon it answers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.catalog.models import Model
from apps.core.moments import database_now
from apps.dashboard.charts import labels_of
from apps.usage import platform, ranges
from apps.usage.platform import Totals
from apps.usage.ranges import Bucket

DAYS = 90
SPEED_DAYS = 7
KEPT_S = 30  # the page is made anew so often, however many look at it
UTC = ZoneInfo("UTC")
# From which uptime on a day is shown as good, and as fair.
GOOD, FAIR = 0.999, 0.97


@dataclass(frozen=True, slots=True)
class Day:
    """`look` is a class of the bar; `x` its place in the drawing."""

    x: int
    look: str
    words: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """`look`: ok, warn or bad, by what the probes say now. Durations in milliseconds, None where nothing was measured."""

    name: str
    look: str
    words: str
    uptime: str
    first_token: float | None
    speed: float | None
    days: list[Day]


@dataclass(frozen=True, slots=True)
class Status:
    models: list[ModelStatus]
    checked_at: datetime | None
    made_at: datetime

    @property
    def look(self) -> str:
        looks = {one.look for one in self.models}
        return "bad" if "bad" in looks else "warn" if "warn" in looks else "ok"

    @property
    def words(self) -> str:
        down = sum(one.look == "bad" for one in self.models)
        if down:
            return f"{down} of {len(self.models)} models cannot be reached" if len(self.models) > 1 else "The model cannot be reached"
        return "Some backends do not answer; all models are served" if self.look == "warn" else "All models are served"


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    return render(request, "staff/status.html", {"status": _kept.now(), "known": request.user.is_authenticated})


class _Kept:
    """What this process has worked out, for KEPT_S seconds: the page is everybody's, and must not be a way to keep Postgres busy."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def now(self) -> Status:
        with self._lock:  # of many at once one works it out
            if self._status is None or time.monotonic() >= self._until:
                self._status, self._until = status_now(), time.monotonic() + KEPT_S
            return self._status

    def forget(self) -> None:
        """Works it out anew at the next visit."""
        self._until = 0.0


_kept = _Kept()
forget = _kept.forget


def status_now() -> Status:
    """Models that are offered: active, with a price and a backend in use."""
    now = database_now()
    in_use = Q(backends__is_active=True)
    models = (
        Model.objects.filter(is_active=True, prices__isnull=False)
        .annotate(
            in_use=Count("backends", filter=in_use, distinct=True),
            answering=Count("backends", filter=in_use & ~Q(backends__probe_ok=False), distinct=True),
            checked_at=Max("backends__probed_at", filter=in_use),
        )
        .filter(in_use__gt=0)
        .order_by("public_id")
    )
    offered = list(models)
    edges = ranges.last_days(DAYS, now, UTC).edges(Bucket.DAY)
    found = platform.cells(edges)
    by_day = platform.together(found, lambda cell: (cell.model_id, cell.bucket))
    whole = platform.together(found, lambda cell: cell.model_id)
    lately = platform.together((cell for cell in found if cell.bucket >= len(edges) - 1 - SPEED_DAYS), lambda cell: cell.model_id)
    _, titles = labels_of(edges[:-1], Bucket.DAY, UTC)
    return Status(
        [
            _status_of(one.public_id, one.answering, one.in_use, whole.get(one.pk, Totals()), lately.get(one.pk, Totals()),
                       [_day(number, title, by_day.get((one.pk, number), Totals())) for number, title in enumerate(titles)])
            for one in offered
        ],
        max((one.checked_at for one in offered if one.checked_at), default=None),
        now,
    )  # fmt: skip


def _status_of(name: str, answering: int, in_use: int, whole: Totals, lately: Totals, days: list[Day]) -> ModelStatus:
    look = "ok" if answering == in_use else "warn" if answering else "bad"
    words = {"ok": "Serving", "warn": f"Serving, {answering} of {in_use} backends answer", "bad": "Cannot be reached"}[look]
    return ModelStatus(name, look, words, _percent(whole.uptime), lately.first_token(50), lately.tokens_per_second, days)


def _day(number: int, title: str, totals: Totals) -> Day:
    uptime = totals.uptime
    if uptime is None:
        return Day(number * 4, "none", f"{title}: no requests")
    look = "ok" if uptime >= GOOD else "warn" if uptime >= FAIR else "bad"
    return Day(number * 4, look, f"{title}: {_percent(uptime)}")


def _percent(uptime: float | None) -> str:
    """Rounded down, so that 100 % means that nothing failed."""
    return "–" if uptime is None else f"{int(uptime * 10_000) / 100:.2f}\N{NO-BREAK SPACE}%"
