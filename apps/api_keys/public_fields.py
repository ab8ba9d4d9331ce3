"""What an API key is called outside: over REST and in an account's export."""

from __future__ import annotations

from typing import Any

from apps.api_keys.models import ApiKey, Scope
from apps.core.money import usd_or_none


def key_fields(row: ApiKey) -> dict[str, Any]:
    """All that its row says; never the key itself. Spend limits are US dollars."""
    return {
        "id": row.pk,
        "name": row.name,
        "last4": row.last4,
        "scope": Scope(row.scope).name.lower(),
        "rpm": row.rpm,
        "tpm": row.tpm,
        "max_concurrent": row.max_concurrent,
        "spend_limit_day": usd_or_none(row.spend_limit_day),
        "spend_limit_month": usd_or_none(row.spend_limit_month),
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "replaces": row.replaces_id,
        "created_at": row.created_at,
    }
