"""The overview: what an account has, spends and asks for, at a glance. `/dashboard` for who is not new any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q

from apps.accounts.models import Account
from apps.billing.credits import Balance, balance
from apps.billing.queries import burn_rate
from apps.catalog.models import Model
from apps.core.moments import database_now
from apps.dashboard.charts import Chart, Line, labels_of
from apps.dashboard.group_names import Name, names_of
from apps.dashboard.log_rows import Row, named
from apps.dashboard.sparks import Spark, spark
from apps.dashboard.usage_page import Figure, percent
from apps.usage import figures, log, ranges
from apps.usage.figures import Durations, Group, Series, Sums
from apps.usage.ranges import Bucket, Range

NEWEST, TOP = 10, 5
DAYS = 30
WEEK, NOON = timedelta(days=7), timedelta(hours=12)  # noon is on the same day whatever the clocks were set to


@dataclass(frozen=True, slots=True)
class Spending:
    """What was charged, in nano-USD, against the same time before: today against this day last week up to now, the last seven days against
    the seven before, the month against as much of the month before."""

    today: Figure
    week: Figure
    month: Figure
    day_name: str
    month_name: str
    month_before: str
    spark_day: Spark
    spark_week: Spark
    spark_month: Spark
    chart: Chart


@dataclass(frozen=True, slots=True)
class Health:
    """The last 24 hours. Durations in milliseconds, None where nothing was measured."""

    sums: Sums
    error_rate: str
    first_token_p50: int | None
    first_token_p95: int | None
    requests: Spark
    errors: Spark
    p50: Spark
    p95: Spark


@dataclass(frozen=True, slots=True)
class Top:
    """Of the last seven days. `share` is per mille of the first one's."""

    name: Name
    charged: int
    requests: int
    share: int


@dataclass(frozen=True, slots=True)
class Platform:
    """Which of the models that are offered have a backend that answers, and when that was last looked at."""

    serving: int
    offered: int
    checked_at: datetime | None

    @property
    def look(self) -> str:
        return "ok" if self.serving == self.offered else "bad" if not self.serving else "warn"


@dataclass(frozen=True, slots=True)
class Overview:
    balance: Balance
    days_left: int | None
    spending: Spending
    health: Health
    models: Sequence[Top]
    keys: Sequence[Top]
    inferences: Sequence[Row]
    platform: Platform


def overview_of(account: Account, zone: ZoneInfo) -> Overview:
    now = database_now()
    spending, health = _spending_and_health(account, zone, now)
    return Overview(
        balance=balance(account.pk),
        days_left=burn_rate(account.pk).whole_days_left,
        spending=spending,
        health=health,
        models=_top(account, zone, now, Group.MODEL),
        keys=_top(account, zone, now, Group.KEY),
        inferences=named(account, log.page(account.pk, limit=NEWEST).rows),
        platform=platform(),
    )


def platform() -> Platform:
    """Models without a price or a backend in use are not offered; a backend that was not looked at yet counts as answering."""
    in_use = Q(backends__is_active=True)
    rows = (
        Model.objects.filter(is_active=True, prices__isnull=False)
        .annotate(
            backends_in_use=Count("backends", filter=in_use, distinct=True),
            answering=Count("backends", filter=in_use & ~Q(backends__probe_ok=False), distinct=True),
            checked_at=Max("backends__probed_at", filter=in_use),
        )
        .filter(backends_in_use__gt=0)
        .values_list("answering", "checked_at")
    )
    found = list(rows)
    return Platform(
        sum(answering > 0 for answering, _ in found), len(found), max((checked for _, checked in found if checked), default=None)
    )


def _spending_and_health(account: Account, zone: ZoneInfo, now: datetime) -> tuple[Spending, Health]:
    """All sums of the account as a whole, in one question."""
    today, month, day = ranges.day_of(now, zone), ranges.month_of(now, zone), ranges.last(timedelta(days=1), now, zone)
    passed, passed_of_month = day.end - today.start, day.end - month.start  # to the end of the current quarter
    last_week = _same_time(ranges.day_of(today.start - WEEK + NOON, zone), passed)
    days, hours, day_before, month_before, last_hours = figures.together(
        account.pk,
        [
            (ranges.last_days(DAYS * 2 + 2, now, zone), Bucket.DAY),
            (today, Bucket.HOUR),
            (last_week, None),
            (_same_time(month.before, passed_of_month), None),
            (day, Bucket.HOUR),
        ],
    )
    spending = _spending(zone, now, month, days, hours, day_before.whole, month_before.whole)
    return spending, _health(last_hours, figures.durations(account.pk, day, Bucket.HOUR))


def _spending(
    zone: ZoneInfo, now: datetime, month: Range, days: Series[Sums], hours: Series[Sums], day_before: Sums, month_before: Sums
) -> Spending:
    """`days` of two months, `hours` of today, and as much of this day last week and of the month before."""
    spent = [point.charged for point in days.groups.get(0, [])] or [0] * len(days.starts)
    in_month = sum(amount for start, amount in zip(days.starts, spent, strict=True) if start >= month.start)
    begun = sum(start <= now for start in hours.starts)
    so_far = list(accumulate(point.charged for point in hours.groups.get(0, [])[:begun]))
    labels, titles = labels_of(days.starts[-DAYS:], Bucket.DAY, zone)
    local, first = now.astimezone(zone), month.start.astimezone(zone)
    return Spending(
        today=Figure(spent[-1], day_before.charged),
        week=Figure(sum(spent[-7:]), sum(spent[-14:-7])),
        month=Figure(in_month, month_before.charged),
        day_name=f"{local:%a}",
        month_name=f"{first:%B}",
        month_before=f"{month.before.start.astimezone(zone):%B}",
        spark_day=spark(so_far),
        spark_week=spark(spent[-7:]),
        spark_month=spark(spent[-local.day :]),
        chart=Chart("days", "bars", "usd", labels, titles, _days(spent[-DAYS:])),
    )


def _days(spent: Sequence[int]) -> list[Line]:
    """Quiet bars, and today's."""
    return [Line("Days before", [*spent[:-1], None], 5), Line("Today", [*([None] * (len(spent) - 1)), spent[-1]], 1)]


def _same_time(of: Range, length: timedelta) -> Range:
    """As much of a range, from its start."""
    return Range(of.start, min(of.end, of.start + length), of.zone)


def _health(sums: Series[Sums], measured: Series[Durations]) -> Health:
    """Of a day, by hour."""
    points, whole, totals = sums.groups.get(0, []), sums.whole, measured.whole.first_token
    hours = measured.groups.get(0, [])
    return Health(
        whole,
        percent(whole.errors, whole.requests),
        round(totals[50]) if 50 in totals else None,
        round(totals[95]) if 95 in totals else None,
        spark([point.requests for point in points]),
        spark([point.errors for point in points]),
        spark([round(hour.first_token[50]) for hour in hours if 50 in hour.first_token]),
        spark([round(hour.first_token[95]) for hour in hours if 95 in hour.first_token]),
    )


def _top(account: Account, zone: ZoneInfo, now: datetime, group: Group) -> list[Top]:
    sums = figures.totals(account.pk, ranges.last_days(7, now, zone), group)
    first = sorted(sums.items(), key=lambda item: (-item[1].charged, -item[1].requests, item[0]))[:TOP]
    names = names_of(account, group, [value for value, _ in first])
    most = max((found.charged for _, found in first), default=0)
    return [Top(names[value], found.charged, found.requests, found.charged * 1000 // most if most else 0) for value, found in first]
