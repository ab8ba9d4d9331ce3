"""What a webhook says, and how it is signed. Pure.

A receiver computes HMAC-SHA256 of `<t>.<body>` with the secret and compares it with `v1`, in constant time; `t` is when this attempt was
sent (Unix seconds), so that what somebody overheard cannot be sent again much later.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, date, datetime
from uuid import UUID

from apps.core.money import usd_from_nano

THRESHOLD_REACHED = "budget.threshold_reached"
TEST = "webhook.test"
SIGNATURE_HEADER = "AkashML-Signature"


def alert_body(identifier: UUID, *, percent: int, amount: int, spent: int, month: date, zone: str) -> str:
    """JSON. Amounts are nano-USD here, and decimal strings of US dollars in it."""
    return _event(
        identifier,
        THRESHOLD_REACHED,
        {
            "month": f"{month:%Y-%m}",
            "time_zone": zone,
            "budget": usd_from_nano(amount),
            "spent": usd_from_nano(spent),
            "threshold_percent": percent,
            "threshold": usd_from_nano(amount * percent // 100),
        },
    )


def test_body(identifier: UUID) -> str:
    return _event(identifier, TEST, {"message": "Webhooks of your AkashML account arrive here."})


def signature(secret: str, body: str, sent_at: int) -> str:
    """The value of SIGNATURE_HEADER."""
    digest = hmac.new(secret.encode(), f"{sent_at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={sent_at},v1={digest}"


def _event(identifier: UUID, kind: str, data: dict[str, object]) -> str:
    created = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return json.dumps({"id": str(identifier), "type": kind, "created_at": created, "data": data})
