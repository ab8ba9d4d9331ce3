"""The periodic tasks: how often each is to run, and whether it did, as the workers' signals tell (recording.py)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Extract, Now

from apps.staff.models import Job

ALLOWANCE_S = 120  # beyond two periods: for tasks that wait behind others, and for the start of a worker


def periods() -> dict[str, int]:
    """Seconds between two runs, by task."""
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    return {entry["task"]: int(entry["schedule"]) for entry in schedule.values()}


def bound(period: int) -> int:
    """For how many seconds at most a task of this period may not have run well."""
    return 2 * period + ALLOWANCE_S


def load_jobs(using: str = "default", **_: Any) -> None:
    """A row for each task of the schedule, so that one that never ran is missed too."""
    Job.objects.using(using).bulk_create([Job(name=name) for name in periods()], ignore_conflicts=True)


def ages() -> dict[str, int]:
    """Since how many seconds, by the database's clock, each task of the schedule has not run well."""
    waited = Extract(Now() - Coalesce(F("succeeded_at"), F("since")), "epoch")
    rows = Job.objects.filter(name__in=periods()).annotate(waited=waited).order_by("name")
    return {name: max(0, int(seconds)) for name, seconds in rows.values_list("name", "waited")}


def late() -> dict[str, int]:
    """Those of `ages` that are beyond their bound."""
    known = periods()
    return {name: seconds for name, seconds in ages().items() if seconds > bound(known[name])}
