"""Promise: every change of the catalogue is announced to the gateways when it commits, and a probe only when its verdict changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import transaction
from django.db.models.functions import Now

from apps.catalog.actions import save_backend, set_price
from apps.catalog.models import Backend, Model

Announced = Callable[[], int]


@pytest.fixture
def announced(database_url: str) -> Iterator[Announced]:
    """Counts the announcements since the last call. What was committed before a call has arrived: notifications keep commit order."""
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("LISTEN catalog_changed")

        def count() -> int:
            listener.execute("SELECT 1")  # an answer comes after the notifications that were due before it
            return sum(1 for _ in listener.notifies(timeout=0))

        yield count


def test_new_changed_and_removed_rows_are_announced(model: Model, announced: Announced) -> None:
    announced()
    Model.objects.filter(pk=model.pk).update(description="new")
    assert announced() == 1
    set_price(model, {"input_pico": 5})
    assert announced() == 1
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    assert announced() == 1
    Backend.objects.filter(pk=backend.pk).update(weight=2)
    assert announced() == 1
    backend.delete()
    assert announced() == 1
    model.delete()
    assert announced() == 1


def test_a_probe_is_announced_only_when_its_verdict_changes(model: Model, announced: Announced) -> None:
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    row = Backend.objects.filter(pk=backend.pk)
    announced()
    row.update(probe_ok=True, probed_at=Now(), probe_detail="HTTP 200 after 1 ms")
    assert announced() == 1
    row.update(probe_ok=True, probed_at=Now(), probe_detail="HTTP 200 after 2 ms")
    assert announced() == 0
    row.update(probe_ok=False, probed_at=Now(), probe_detail="refuses connections")
    assert announced() == 1


def test_nothing_is_announced_before_the_commit(model: Model, announced: Announced) -> None:
    announced()
    with transaction.atomic():
        Model.objects.filter(pk=model.pk).update(description="new")
        assert announced() == 0
    assert announced() == 1
