"""Promise: sums of the whole platform, by model and backend, equal the log they are made of, whenever and in whatever steps it is folded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection

from apps.core.ids import uuid7
from apps.usage import platform, rollups
from apps.usage.models import Status
from apps.usage.ranges import Bucket, Range
from tests.payments.shop import wait_until
from tests.people import new_customer
from tests.usage.log import log_inference

DAY = datetime(2026, 3, 29, tzinfo=UTC)


def fold() -> None:
    rollups.fold()
    platform.fold()


@pytest.fixture
def model_id() -> int:
    """One that no other test has."""
    return uuid7().int % 2**40 + 2**40


@pytest.mark.usefixtures("own_database")
def test_a_day_in_hours_and_quarters_and_as_a_whole(model_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "STEP", 2)
    account = new_customer().account.pk
    for minute, backend, more in (
        (0, 7, {"cost": 5, "charged": 5}),
        (14, 7, {"cost": 4, "charged": 1, "first_token_ms": 100, "total_ms": 1_100, "completion_tokens": 50}),
        (15, 8, {"status": Status.FAILED, "http_status": 502, "first_token_ms": None}),
        (61, 8, {"status": Status.FAILED, "http_status": 400, "first_token_ms": None}),
        (75, None, {"status": Status.LOST, "http_status": 200, "completion_tokens": 1}),
        (76, 7, {"status": Status.CANCELLED, "cached_tokens": 4}),
    ):
        log_inference(account, model_id=model_id, backend_id=backend, settled_at=DAY + timedelta(minutes=minute), **more)
    fold()
    whole = Range(DAY, DAY + timedelta(days=1), ZoneInfo("UTC"))
    by_backend = platform.together(platform.cells([whole.start, whole.end], model_id), lambda cell: cell.backend_id)
    assert {backend: (one.requests, one.errors, one.faults, one.cost, one.written_off) for backend, one in by_backend.items()} == {
        7: (3, 0, 0, 9, 3),
        8: (2, 2, 1, 0, 0),
        0: (1, 1, 1, 0, 0),
    }
    all_of_it = platform.together(platform.cells([whole.start, whole.end], model_id), lambda cell: cell.model_id)[model_id]
    assert (all_of_it.prompt_tokens, all_of_it.cached_tokens, all_of_it.completion_tokens) == (72, 4, 34 * 4 + 50 + 1)
    assert all_of_it.uptime == pytest.approx(4 / 6)
    # Those without a first token, or with a single one, say nothing about speed.
    assert (all_of_it.generated_tokens, all_of_it.generating_ms) == (34 * 2 + 50, 1_360 * 2 + 1_000)
    assert all_of_it.first_token() == pytest.approx(310, rel=0.2)
    for bucket, expected in ((Bucket.HOUR, {0: 3, 1: 3}), (Bucket.QUARTER, {0: 2, 1: 1, 4: 1, 5: 2})):
        found = platform.together(platform.cells(whole.edges(bucket), model_id), lambda cell: cell.bucket)
        assert {number: one.requests for number, one in found.items()} == expected

    # What comes later is added, and nothing is counted twice.
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    edges = [begin, begin + timedelta(days=3)]

    def so_far() -> tuple[int, int]:
        fold()
        sums = platform.together(platform.cells(edges, model_id), lambda cell: cell.model_id).get(model_id, platform.Totals())
        return sums.requests, sums.charged

    for count in (1, 2):
        log_inference(account, model_id=model_id, charged=3, cost=3)
        wait_until(lambda count=count: so_far() == (count, 3 * count))  # type: ignore[misc]
        assert so_far() == (count, 3 * count)


@pytest.mark.usefixtures("own_database")
def test_a_rebuild_makes_cells_as_the_log_has_them_and_changes_none_that_were_right(model_id: int) -> None:
    account = new_customer().account.pk
    for hours in (0, 1, 24):
        for backend in (7, None):
            log_inference(account, model_id=model_id, backend_id=backend, settled_at=DAY + timedelta(hours=hours), cost=5, charged=4)
    fold()

    def rows() -> list[tuple[object, ...]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM usage_platformcell WHERE model_id = %s ORDER BY grain, start, backend_id", [model_id])
            return cursor.fetchall()

    def rebuild() -> None:
        call_command("rebuild_rollups", first_day=DAY.date(), last_day=DAY.date() + timedelta(days=1))

    right = rows()
    assert len(right) == 2 * (3 + 3 + 2)  # of both backends, in quarters, hours and days
    rebuild()
    assert rows() == right
    for wrong in (
        "DELETE FROM usage_platformcell WHERE grain = 60",
        "UPDATE usage_platformcell SET charged = charged + 1, requests = requests * 2, histogram = '{}' WHERE backend_id = 7",
        "UPDATE usage_platformcell SET backend_id = 9 WHERE backend_id = 7",  # what the log does not know goes
    ):
        with connection.cursor() as cursor:
            cursor.execute(wrong)
        assert rows() != right
        rebuild()
        assert rows() == right
    fold()
    assert rows() == right  # the mark stays where it was
