"""A history of requests for pages to show: priced by a real price, paid by nobody, so that the books stay sound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.accounts.models import Account
from apps.catalog.actions import save_model
from apps.catalog.models import Model
from apps.core.ids import uuid7, uuid7_floor
from apps.usage.models import Inference
from apps.usage.rollups import refold
from tests.usage.log import log_inference


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
    arrived = timezone.now() - ago if isinstance(ago, timedelta) else ago
    took = timedelta(milliseconds=fields.get("total_ms", 1_670))
    row: dict[str, Any] = {"id": id_at(arrived), "admitted_at": arrived, "settled_at": arrived + took}
    return log_inference(account.pk, fields.pop("key_id", None), **row | fields)


def summed(rows: Sequence[Inference]) -> None:
    """Has the sums of the days that these rows fall on made again: rows in the past are late ones."""
    for day in {row.settled_at.astimezone(UTC).date() for row in rows}:
        refold(day)
