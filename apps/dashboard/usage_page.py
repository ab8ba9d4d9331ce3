"""`/usage`: where tokens and dollars went over a range of time, by model, key or status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account, time_zone_of
from apps.core.moments import database_now
from apps.dashboard.charts import Chart, Line, folded, labels_of
from apps.dashboard.group_names import Name, names_of
from apps.dashboard.usage_range import RangeForm
from apps.usage import figures, log
from apps.usage.figures import Durations, Forecast, Group, Series, Sums
from apps.usage.ranges import Bucket, Range

BUCKET_WORDS = {
    Bucket.QUARTER: "a quarter of an hour",
    Bucket.HOUR: "an hour",
    Bucket.DAY: "a day",
    Bucket.WEEK: "a week",
    Bucket.MONTH: "a month",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A headline. `before` is the same of the range before; None where nothing can be compared."""

    now: float
    before: float | None

    @property
    def change(self) -> str:
        """`+22.4 %`; empty where there was nothing before."""
        if not self.before:
            return ""
        tenths = round((self.now - self.before) * 1000 / self.before)
        sign = "+" if tenths > 0 else "\N{MINUS SIGN}" if tenths < 0 else "±"
        return f"{sign}{abs(tenths) / 10:,.1f}\N{NO-BREAK SPACE}%"


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """A model, key or status: what it had of the whole. `share` is per mille of what was charged."""

    name: Name
    sums: Sums
    share: int
    log_url: str

    @property
    def error_rate(self) -> str:
        return percent(self.sums.errors, self.sums.requests)


@login_required
@require_safe
def usage(request: HttpRequest) -> HttpResponse:
    account, zone, now = acting_account(request), zone_of(request), database_now()
    form = RangeForm(request.GET, zone, now)
    if not form.is_valid():
        return render(request, _template(request), {"form": form}, status=422)
    of, group = form.of, form.group
    bucket = of.usual_bucket
    series, sums_before = figures.together(account.pk, [(of, bucket), (of.before, None)], group)
    durations, durations_before = figures.durations_together(account.pk, [(of, bucket), (of.before, None)])
    whole, before = series.whole, sums_before.whole
    names = names_of(account, group, series.totals)
    forecast = figures.forecast(account.pk, zone, now)
    context = {
        "form": form,
        "of": of,
        "bucket": BUCKET_WORDS[bucket],
        "group": group.value,
        "whole": whole,
        "spend": Figure(whole.charged, before.charged),
        "requests": Figure(whole.requests, before.requests),
        "tokens": Figure(whole.tokens, before.tokens),
        "error_rate": percent(whole.errors, whole.requests),
        "first_token": _first_token(durations.whole, durations_before.whole),
        "charts": charts_of(series, durations, names, bucket, zone, group),
        "breakdown": breakdown_of(series, names, whole, of, group),
        "written_off": whole.cost - whole.charged,
        "forecast": forecast,
        "trend": trend_of(zone, now, forecast),
        "zone": zone.key,
        "log_query": urlencode({"start": of.start.isoformat(), "end": of.end.isoformat()}),
        "never_used": not whole.requests and not log.page(account.pk, limit=1).rows,
    }
    return render(request, _template(request), context)


def _template(request: HttpRequest) -> str:
    return "dashboard/_usage.html" if "HX-Request" in request.headers else "dashboard/usage.html"


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The account's time zone."""
    zone = time_zone_of(request)
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")


def percent(part: int, whole: int) -> str:
    """`0.12 %`, rounded to what says something."""
    if not whole or not part:
        return "0\N{NO-BREAK SPACE}%"
    rate = part * 100 / whole
    return f"{rate:.2f}\N{NO-BREAK SPACE}%" if rate < 10 else f"{rate:.0f}\N{NO-BREAK SPACE}%"


def _first_token(now: Durations, before: Durations) -> Figure | None:
    """p50 in milliseconds; None without a request."""
    return Figure(now.first_token[50], before.first_token.get(50)) if now.first_token else None


def charts_of(
    series: Series[Sums], durations: Series[Durations], names: Mapping[int, Name], bucket: Bucket, zone: ZoneInfo, group: Group
) -> dict[str, Chart]:
    labels, titles = labels_of(series.starts, bucket, zone)
    spend = folded([(names[value].text, [point.charged for point in points]) for value, points in series.groups.items()])
    requests = folded([(names[value].text, [point.requests for point in points]) for value, points in series.groups.items()])
    kinds = _tokens_by_kind(series)
    return {
        "spend": Chart("spend", "area" if len(labels) > 8 else "bars", "usd", labels, titles, spend),
        "requests": Chart("requests", "bars", "count", labels, titles, requests),
        "tokens": Chart("tokens", "bars", "tokens", labels, titles, kinds),
        "first_token": Chart("first-token", "lines", "seconds", labels, titles, _percentiles(durations, "first_token")),
        "total": Chart("total", "lines", "seconds", labels, titles, _percentiles(durations, "total")),
    }


def _tokens_by_kind(series: Series[Sums]) -> list[Line]:
    whole = [Sums() for _ in series.starts]
    for points in series.groups.values():
        for together, point in zip(whole, points, strict=True):
            together.add(point)
    return [
        Line("Input", [one.prompt_tokens - one.cached_tokens for one in whole], 2),
        Line("Cached input", [one.cached_tokens for one in whole], 3),
        Line("Output", [one.completion_tokens - one.reasoning_tokens for one in whole], 1),
        Line("Reasoning", [one.reasoning_tokens for one in whole], 4),
    ]


def _percentiles(durations: Series[Durations], what: str) -> list[Line]:
    """p50, p95 and p99 in milliseconds; a gap where nothing was measured."""
    points: Sequence[Durations] = durations.groups.get(0) or [Durations() for _ in durations.starts]
    measured: list[Mapping[int, float]] = [getattr(point, what) for point in points]
    return [
        Line(f"p{number}", [round(one[number]) if number in one else None for one in measured], color)
        for number, color in ((50, 2), (95, 1), (99, 5))
    ]


def breakdown_of(series: Series[Sums], names: Mapping[int, Name], whole: Sums, of: Range, group: Group) -> list[BreakdownRow]:
    most = max((sums.charged for sums in series.totals.values()), default=0)
    rows = []
    for value, sums in series.totals.items():
        name = names[value]
        filters = {group.value: name.filter, "start": of.start.isoformat(), "end": of.end.isoformat()} if name.filter else {}
        rows.append(
            BreakdownRow(
                name,
                sums,
                sums.charged * 1000 // most if most else 0,
                f"{reverse('inferences')}?{urlencode(filters)}" if filters else "",
            )
        )
    return rows


def trend_of(zone: ZoneInfo, now: datetime, forecast: Forecast) -> Chart:
    """The month as it adds up: so far, as it is expected to go on, and the month before."""
    month, days = forecast.month, forecast.days.starts
    labels, titles = labels_of(days, Bucket.DAY, zone)
    so_far = _running(forecast.days)[: sum(start <= now for start in days)]
    before = (_running(forecast.days_before) + [None] * len(days))[: len(days)]
    lines = [
        Line(f"{month.start.astimezone(zone):%B}", [*so_far, *[None] * (len(days) - len(so_far))], 1),
        Line(f"{month.before.start.astimezone(zone):%B}", before, 5),
    ]
    if forecast.expected is not None and forecast.per_day is not None:
        ahead = [
            None if number < len(so_far) - 1 else forecast.so_far + forecast.per_day * (number - len(so_far) + 1)
            for number in range(len(days))
        ]
        ahead[-1] = forecast.expected
        lines.insert(1, Line("Expected", ahead, 1, dashed=True))
    return Chart("trend", "lines", "usd", labels, titles, lines)


def _running(days: Series[Sums]) -> list[int | None]:
    """What was charged up to the end of each day."""
    points = days.groups.get(0) or [Sums() for _ in days.starts]
    return list(accumulate(point.charged for point in points))
