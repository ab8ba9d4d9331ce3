"""Rows of the inference log that nobody was charged for, so that the books stay sound."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.core.ids import uuid7
from apps.usage.models import Dialect, Inference, Status


def log_inference(account_id: int, key_id: int | None = None, **fields: Any) -> Inference:
    """A request that ended now; `fields` are columns."""
    now = timezone.now()
    row = {
        "id": uuid7(),
        "account_id": account_id,
        "api_key_id": key_id,
        "model_id": 0,
        "price_id": 0,
        "dialect": Dialect.CHAT,
        "streamed": False,
        "status": Status.COMPLETED,
        "http_status": 200,
        "finish_reason": "stop",
        "error_code": "",
        "prompt_tokens": 12,
        "cached_tokens": 0,
        "completion_tokens": 34,
        "reasoning_tokens": 0,
        "estimated": False,
        "cost": 0,
        "charged": 0,
        "paid_pools": [],
        "paid_amounts": [],
        "admitted_at": now,
        "settled_at": now,
        "queue_ms": 1,
        "first_token_ms": 310,
        "total_ms": 1_670,
    }
    return Inference.objects.create(**row | fields)
