"""Folding the inference log into sums that pages read."""

from __future__ import annotations

import time

from django.db import connection

STEP = "1 hour"  # of settlements, in one transaction
BUDGET_S = 20.0


def fold_keys(budget_s: float = BUDGET_S) -> None:
    """Bring KeyDay up to date, in steps; what does not fit in the time is left to the next call."""
    deadline = time.monotonic() + budget_s
    more = True
    while more and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT usage_fold_keys(%s::interval)", [STEP])
            [more] = cursor.fetchone() or [False]
