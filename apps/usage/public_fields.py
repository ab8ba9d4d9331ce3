"""What rows and sums of the log are called outside: over REST and in an account's export (decision 46)."""

from __future__ import annotations

from typing import Any

from apps.core.money import usd_from_nano
from apps.usage.models import Dialect, Inference, Status


def amounts(of: Any) -> dict[str, Any]:
    """Tokens and US dollars, of a row or of sums."""
    return {
        "input_tokens": of.prompt_tokens,
        "cached_input_tokens": of.cached_tokens,
        "output_tokens": of.completion_tokens,
        "reasoning_tokens": of.reasoning_tokens,
        "cost": usd_from_nano(of.cost),
        "charged": usd_from_nano(of.charged),
    }


def inference_fields(row: Inference) -> dict[str, Any]:
    """All but its model, its key and when it arrived, for which its reader has own ways."""
    return {
        "id": row.pk,
        "dialect": Dialect(row.dialect).name.lower(),
        "streaming": row.streamed,
        "status": Status(row.status).name.lower(),
        "http_status": row.http_status,
        "finish_reason": row.finish_reason,
        "error_code": row.error_code,
        **amounts(row),
        "estimated": row.estimated,
        "queue_ms": row.queue_ms,
        "first_token_ms": row.first_token_ms,
        "total_ms": row.total_ms,
        "settled_at": row.settled_at,
    }
