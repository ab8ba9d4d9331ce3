"""A history of requests for pages to show, made up and not paid by anybody: it leaves with its test, so that the books stay sound.

Tests that make one say `pytest_plugins = ["tests.dashboard.history"]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Account
from apps.catalog.actions import save_model
from apps.catalog.models import Model
from apps.core.ids import uuid7, uuid7_floor
from apps.usage.models import Inference
from apps.usage.rollups import refold
from tests.usage.log import log_inference

made_up: set[int] = set()  # accounts whose log and sums are not true


@pytest.fixture(autouse=True)
def history_leaves_with_its_test() -> Iterator[None]:
    yield
    if made_up:
        with connection.cursor() as cursor:
            for table in ("usage_inference", "usage_rollup"):
                cursor.execute(f"DELETE FROM {table} WHERE account_id = ANY (%s)", [list(made_up)])
        made_up.clear()


def priced_model(name: str = "", input_pico: int = 130_000, output_pico: int = 400_000, **price: int) -> Model:
    """A model of its own with one price."""
    model, _ = save_model(
        name or f"test/m-{uuid7().hex[-12:]}", {"is_active": True}, {"input_pico": input_pico, "output_pico": output_pico, **price}
    )
    return model


def id_at(moment: datetime) -> UUID:
    """A fresh id of that moment."""
    return UUID(int=uuid7_floor(moment).int | uuid7().int & (1 << 62) - 1)


def request_at(account: Account, ago: timedelta | datetime, **fields: Any) -> Inference:
    """A request that arrived so long ago (or then) and has ended."""
    made_up.add(account.pk)
    arrived = timezone.now() - ago if isinstance(ago, timedelta) else ago
    took = timedelta(milliseconds=fields.get("total_ms", 1_670))
    row: dict[str, Any] = {"id": id_at(arrived), "admitted_at": arrived, "settled_at": arrived + took}
    return log_inference(account.pk, fields.pop("key_id", None), **row | fields)


def summed(rows: Sequence[Inference]) -> None:
    """Has the sums of the days that these rows fall on made again: rows in the past are late ones."""
    for day in {row.settled_at.astimezone(UTC).date() for row in rows}:
        refold(day)
