"""Promise: staff see of each periodic task when it last ran well and failed last, and operators are told when one is late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import shared_task
from django.db.models.functions import Now
from pytest_django import Settings

from akashml.celery import app
from apps.core.ids import uuid7
from apps.staff import incidents, jobs, recording
from apps.staff.models import Job
from tests.staff_pages.roles import browser_of, member_of


@shared_task(name="tests.job")
def job(trouble: str = "") -> None:
    if trouble:
        raise ValueError(trouble)


@pytest.fixture
def scheduled(settings: Settings) -> Job:
    """A task that no worker of another test knows, to run every ten minutes."""
    assert recording.periods()  # it listens
    settings.CELERY_BEAT_SCHEDULE = {"job": {"task": "tests.job", "schedule": 600}}
    Job.objects.filter(name="tests.job").delete()
    jobs.load_jobs()
    return Job.objects.get(name="tests.job")


def test_each_run_is_kept_in_the_one_row_of_its_task(scheduled: Job, settings: Settings) -> None:
    app.tasks["tests.job"].apply(task_id=str(uuid7()))
    app.tasks["tests.job"].apply(["what went wrong" * 99], task_id=str(uuid7()))
    scheduled.refresh_from_db()
    well, took = scheduled.succeeded_at, scheduled.took_ms
    assert well is not None
    assert took is not None
    assert scheduled.failed_at is not None
    assert scheduled.failed_at >= well
    assert scheduled.error.startswith("ValueError: what went wrong")
    assert len(scheduled.error) == recording.LONGEST_ERROR
    app.tasks["tests.job"].apply(task_id=str(uuid7()))
    scheduled.refresh_from_db()
    assert scheduled.succeeded_at is not None
    assert scheduled.succeeded_at > scheduled.failed_at  # whose error stays
    assert Job.objects.filter(name="tests.job").count() == 1
    assert recording._started == {}
    settings.CELERY_BEAT_SCHEDULE = {}
    app.tasks["tests.job"].apply(task_id=str(uuid7()))
    assert Job.objects.get(name="tests.job").succeeded_at == scheduled.succeeded_at  # only what runs by the clock


def test_a_job_that_is_late_is_marked_and_told(scheduled: Job) -> None:
    client = browser_of(member_of("operator"))
    assert "to\N{NO-BREAK SPACE}run" in client.get("/admin/staff/job/").content.decode()
    assert incidents._jobs() == []
    limit = jobs.bound(600)
    for column in ("since", "succeeded_at"):  # one that never ran, and one that does not any more
        Job.objects.filter(pk=scheduled.pk).update(**{column: Now() - timedelta(seconds=limit - 60)})
        assert jobs.late() == {}
        Job.objects.filter(pk=scheduled.pk).update(**{column: Now() - timedelta(seconds=limit + 1)})
        [sight] = incidents._jobs()
        assert (sight.kind, sight.subject) == ("job late", "tests.job")
        assert "late: not for" in client.get("/admin/staff/job/").content.decode()
    app.tasks["tests.job"].apply(task_id=str(uuid7()))
    assert incidents._jobs() == []
    page = client.get("/admin/staff/job/").content.decode()
    assert "10 min" in page
    assert "in\N{NO-BREAK SPACE}time" in page
    assert client.post(f"/admin/staff/job/{scheduled.pk}/change/").status_code == 403
    assert browser_of(member_of("support")).get("/admin/staff/job/").status_code == 403
