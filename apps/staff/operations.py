"""`/admin/operations/`: how the platform runs: requests, errors, latency, speed and money by model and backend, and what waits or went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.catalog.margins import Margin
from apps.catalog.models import Backend, Model
from apps.core.moments import database_now
from apps.core.money import nano_from_pico
from apps.dashboard.charts import Chart, Line, folded, labels_of
from apps.dashboard.usage_page import percent
from apps.gateway.models import Hold
from apps.staff.health import lags
from apps.staff.models import Incident
from apps.usage import platform, ranges
from apps.usage.models import Grain
from apps.usage.platform import Cell, Totals
from apps.usage.ranges import Bucket, Range

UTC = ZoneInfo("UTC")
RANGES = {
    "1h": ("1 h", timedelta(hours=1)),
    "24h": ("24 h", timedelta(days=1)),
    "7d": ("7 d", timedelta(days=7)),
    "30d": ("30 d", timedelta(days=30)),
}
USUAL = "24h"
TOP = 10
# Which accounts were charged most, by cells of an hour or a day: each account's are a stretch of the index that the sums have anyway.
TOP_ACCOUNTS = """
SELECT a.id, a.name, r.charged, r.requests, r.errors, r.written_off FROM accounts_account a CROSS JOIN LATERAL (
  SELECT sum(x.charged)::bigint AS charged, sum(x.requests)::bigint AS requests, coalesce(sum(x.requests) FILTER (WHERE x.status IN (3, 4)), 0)::bigint AS errors,
    sum(x.cost - x.charged)::bigint AS written_off
  FROM usage_rollup x WHERE x.account_id = a.id AND x.grain = %s AND x.start >= %s) r
WHERE r.requests > 0 ORDER BY r.charged DESC, r.requests DESC, a.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A model or backend, and what it had."""

    name: str
    note: str
    totals: Totals
    error_rate: str
    margin: Margin | None
    """In nano-USD, at the backends' present costs; None where one that took tokens has none recorded."""

    @property
    def p95(self) -> float | None:
        """To the first token, in milliseconds."""
        return self.totals.first_token(95)


@dataclass(frozen=True, slots=True)
class TopAccount:
    account_id: int
    name: str
    charged: int
    requests: int
    error_rate: str
    written_off: int


@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("staff.see_operations"):
        raise PermissionDenied
    name = request.GET.get("range", USUAL)
    name = name if name in RANGES else USUAL
    of = ranges.last(RANGES[name][1], database_now(), UTC)
    bucket = of.usual_bucket
    edges = of.edges(bucket)
    found = platform.cells(edges)
    whole = Totals()
    for cell in found:
        whole.add(cell.totals)
    waiting = lags()
    costs = _costs(found)
    models = dict(Model.objects.values_list("pk", "public_id"))
    context = {
        "ranges": [(key, words, key == name) for key, (words, _) in RANGES.items()],
        "whole": whole,
        "error_rate": percent(whole.errors, whole.requests),
        "charts": _charts(found, edges, bucket, models),
        "models": _rows(
            platform.together(found, lambda cell: cell.model_id), models, {}, _margins(found, costs, lambda cell: cell.model_id)
        ),
        "backends": _backend_rows(found, models, costs),
        "accounts": _top_accounts(of),
        "lags": waiting,
        "late": sum(lag.late for lag in waiting),
        "state": state(),
        "incidents": Incident.objects.filter(closed_at=None).order_by("-opened_at")[:TOP],
        "folded_until": platform.folded_until(),
    }
    return render(request, "staff/operations.html", context)


@dataclass(frozen=True, slots=True)
class State:
    """What is open now. Amounts in nano-USD."""

    holds: int
    held: int
    written_off_day: int
    owed: int


def state() -> State:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM gateway_hold), (SELECT coalesce(sum(amount), 0)::bigint FROM gateway_hold), "
            "(SELECT coalesce(sum(cost - charged), 0)::bigint FROM usage_platformcell WHERE grain = 60 AND start > now() - interval '1 day'), "
            "(SELECT coalesce(sum(amount), 0)::bigint FROM billing_debt WHERE amount > 0)"
        )
        row = cursor.fetchone()
    assert row is not None
    return State(*row)


def _charts(found: Sequence[Cell], edges: Sequence[Any], bucket: Bucket, models: dict[int, str]) -> dict[str, Chart]:
    labels, titles = labels_of(edges[:-1], bucket, UTC)
    by_bucket = platform.together(found, lambda cell: cell.bucket)
    by_model = platform.together(found, lambda cell: (cell.model_id, cell.bucket))
    count = len(labels)
    busiest = sorted(platform.together(found, lambda cell: cell.model_id).items(), key=lambda item: (-item[1].requests, item[0]))
    points = [by_bucket.get(number, Totals()) for number in range(count)]

    def of_models(what: str) -> list[Line]:
        return folded(
            [
                (_short(models, model), [getattr(by_model.get((model, number), Totals()), what) for number in range(count)])
                for model, _ in busiest
            ]
        )

    def measured(values: Sequence[float | None]) -> list[int | None]:
        return [None if value is None else round(value) for value in values]

    return {
        "requests": Chart("requests", "bars", "count", labels, titles, of_models("requests")),
        "errors": Chart("errors", "bars", "count", labels, titles, of_models("errors")),
        "revenue": Chart("revenue", "bars", "usd", labels, titles, of_models("charged")),
        "first_token": Chart(
            "first-token", "lines", "seconds", labels, titles,
            [Line(f"p{number}", measured([point.first_token(number) for point in points]), color) for number, color in ((50, 2), (95, 1))],
        ),
        "speed": Chart("speed", "lines", "tokens", labels, titles, [Line("Tokens a second", measured([point.tokens_per_second for point in points]), 2)]),
    }  # fmt: skip


def _short(models: dict[int, str], model: int) -> str:
    return models[model].rpartition("/")[2] if model in models else f"Gone ({model})"


def _costs(found: Sequence[Cell]) -> dict[int, tuple[int, int]]:
    """What backends cost at present, pico-USD per input and output token, where it is known."""
    rows = Backend.objects.filter(pk__in={cell.backend_id for cell in found}).values_list("pk", "input_cost_pico", "output_cost_pico")
    return {pk: (of_input, of_output) for pk, of_input, of_output in rows if of_input is not None and of_output is not None}


def _margins(found: Sequence[Cell], costs: dict[int, tuple[int, int]], by: Callable[[Cell], int]) -> dict[int, Margin | None]:
    """By model or backend: revenue against tokens × present cost. Cached input counts as input: nobody told what less it costs us."""
    charged: dict[int, int] = defaultdict(int)
    pico: dict[int, int] = defaultdict(int)
    unknown = set()
    for cell in found:
        key, totals = by(cell), cell.totals
        charged[key] += totals.charged
        if cell.backend_id in costs:
            of_input, of_output = costs[cell.backend_id]
            pico[key] += totals.prompt_tokens * of_input + totals.completion_tokens * of_output
        elif totals.tokens:
            unknown.add(key)
    return {key: None if key in unknown else Margin(charged[key], nano_from_pico(pico[key])) for key in charged}


def _rows(sums: dict[int, Totals], names: dict[int, str], notes: dict[int, str], margins: dict[int, Margin | None]) -> list[Row]:
    return [
        Row(names.get(key, f"Gone ({key})"), notes.get(key, ""), one, percent(one.errors, one.requests), margins[key])
        for key, one in sorted(sums.items(), key=lambda item: (-item[1].requests, item[0]))
    ]  # fmt: skip


def _backend_rows(found: Sequence[Cell], models: dict[int, str], costs: dict[int, tuple[int, int]]) -> list[Row]:
    backends = {one.pk: one for one in Backend.objects.select_related("model")}
    names = {pk: one.base_url for pk, one in backends.items()} | {0: "None was reached"}
    running = dict(Hold.objects.values_list("backend_id").annotate(Count("pk")).order_by())
    notes = {
        pk: f"{one.model.public_id}, {running.get(pk, 0)} running{'' if one.is_active else ', drained'}" for pk, one in backends.items()
    }
    margins = _margins(found, costs, lambda cell: cell.backend_id)
    return _rows(platform.together(found, lambda cell: cell.backend_id), names, notes, margins)


def _top_accounts(of: Range) -> list[TopAccount]:
    grain = Grain.HOUR_OF_ALL if of.end - of.start <= timedelta(days=8) else Grain.DAY_OF_ALL
    with connection.cursor() as cursor:
        cursor.execute(TOP_ACCOUNTS, [grain, of.start, TOP])
        return [
            TopAccount(account, name, charged, requests, percent(errors, requests), written_off)
            for account, name, charged, requests, errors, written_off in cursor.fetchall()
        ]
