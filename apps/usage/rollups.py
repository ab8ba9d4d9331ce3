"""Folding the inference log into sums that pages read, and dropping months of it that are kept long enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta

from django.conf import settings
from django.db import connection, transaction

STEP = 10_000  # requests in one transaction, about: seconds at most, on a machine that is busy with other things
BUDGET_S = 20.0
FIRST_DAY = """
SELECT (greatest(min(i.settled_at), (SELECT max(f.latest) + interval '1 day' FROM usage_foldedmonth f)) AT TIME ZONE 'UTC')::date FROM usage_inference i
"""
LAST_DAY = "SELECT CASE WHEN isfinite(settled_until) THEN (settled_until AT TIME ZONE 'UTC')::date END FROM usage_rollupmark"
OLD_MONTHS = """
SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS month FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
WHERE h.inhparent = 'usage_inference'::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
  AND to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') - make_interval(months => %s)
ORDER BY month
"""


def fold(budget_s: float = BUDGET_S) -> None:
    """Bring Rollup up to date, in steps; what does not fit in the time is left to the next call."""
    deadline = time.monotonic() + budget_s
    more = True
    while more and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT usage_fold(%s)", [STEP])
            [more] = cursor.fetchone() or [False]


def refold(day: date) -> int:
    """Make the sums of a day (UTC) again from the log; returns how many requests they hold. Changes nothing that was right."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usage_refold(%s)", [day])
        [requests] = cursor.fetchone() or [0]
    return int(requests)


def refold_all(first_day: date | None = None, last_day: date | None = None) -> Iterator[tuple[date, int]]:
    """Make the sums of all days again whose log is complete, or of those from `first_day` to `last_day`: a transaction a day, while requests go
    on. Yields each day and how many requests it had."""
    first, last = _date(FIRST_DAY), _date(LAST_DAY)
    if first is None or last is None:
        return
    day, last = max(first, first_day or first), min(last, last_day or last)
    while day <= last:
        yield day, refold(day)
        day += timedelta(days=1)


def drop_old_months() -> list[date]:
    """Drop the months of the log that are older than LOG_RETENTION_MONTHS, the oldest first; none when that is 0. Returns their first days."""
    if not settings.LOG_RETENTION_MONTHS:
        return []
    with connection.cursor() as cursor:
        cursor.execute(OLD_MONTHS, [settings.LOG_RETENTION_MONTHS])
        months = [month for (month,) in cursor.fetchall()]
    return [month for month in months if drop_month(month)]


@transaction.atomic
def drop_month(month: date) -> bool:
    """Drop one month of the log and keep what it came to. False when it is not over, not there, or not folded yet."""
    with connection.cursor() as cursor:
        # The drop shuts settlements out for a moment; it must not stand in the way of others while it waits for its turn.
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute("SELECT usage_drop_month(%s)", [month])
        [dropped] = cursor.fetchone() or [False]
    return bool(dropped)


def _date(query: str) -> date | None:
    with connection.cursor() as cursor:
        cursor.execute(query)
        [day] = cursor.fetchone() or [None]
    return day
