"""Writes down how periodic tasks ran. Loaded with the tasks, so that only processes that run them hear Celery's signals."""

from __future__ import annotations

import time
from typing import Any

from celery import signals
from django.db.models.functions import Now

from apps.staff.jobs import periods
from apps.staff.models import Job

LONGEST_ERROR = 500
_started: dict[str, float] = {}  # by run


@signals.task_prerun.connect
def begin(task_id: str, task: Any, **_: Any) -> None:
    if task.name in periods():
        _started[task_id] = time.monotonic()


@signals.task_failure.connect
def failed(sender: Any, exception: BaseException, **_: Any) -> None:
    if sender.name in periods():
        error = f"{type(exception).__name__}: {exception}".replace("\0", "")[:LONGEST_ERROR]
        _keep(Job(name=sender.name, failed_at=Now(), error=error), "failed_at", "error")


@signals.task_postrun.connect
def end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    began = _started.pop(task_id, None)
    if began is not None and state == "SUCCESS":
        _keep(Job(name=task.name, succeeded_at=Now(), took_ms=round((time.monotonic() - began) * 1000)), "succeeded_at", "took_ms")


def _keep(job: Job, *columns: str) -> None:
    Job.objects.bulk_create([job], update_conflicts=True, unique_fields=["name"], update_fields=columns)
