"""Folding the inference log into sums that pages read."""

from __future__ import annotations

import time
from datetime import date

from django.db import connection

STEP = "1 hour"  # of settlements, in one transaction
BUDGET_S = 20.0


def fold(budget_s: float = BUDGET_S) -> None:
    """Bring Rollup up to date, in steps; what does not fit in the time is left to the next call."""
    deadline = time.monotonic() + budget_s
    more = True
    while more and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT usage_fold(%s::interval)", [STEP])
            [more] = cursor.fetchone() or [False]


def refold(day: date) -> int:
    """Make the sums of a day (UTC) again from the log; returns how many requests they hold. Changes nothing that was right."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usage_refold(%s)", [day])
        [requests] = cursor.fetchone() or [0]
    return int(requests)
