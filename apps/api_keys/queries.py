"""Reading API keys, and what they use at the moment. Nothing here takes a lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.api_keys.models import ApiKey, State

# The row is slid to this second in the reading alone: what has left the window is not counted.
MINUTES = """
SELECT l.key_id, s.requests_in_window, s.tokens_in_window, s.open
FROM api_keys_limiter l CROSS JOIN LATERAL limiter_slide(l, floor(extract(epoch FROM clock_timestamp()))::bigint) s
WHERE l.key_id = ANY (%s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Minute:
    """What a key used in the sixty seconds that limits are judged by, and how many of its requests are open now."""

    requests: int = 0
    tokens: int = 0
    open: int = 0


IDLE = Minute()


def keys_of(account: Account) -> QuerySet[ApiKey]:
    """The keys of an account that are not revoked, expired ones included, newest first."""
    return ApiKey.objects.filter(account=account, revoked_at=None).order_by("-pk")


def usable_keys_of(account: Account) -> QuerySet[ApiKey]:
    """The keys of an account that work now, by the database's clock."""
    return keys_of(account).filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


def keys_in_state(account: Account, state: str | None = None) -> QuerySet[ApiKey]:
    """The account's keys, newest first: all it ever had, or those that are in this State now."""
    rows = ApiKey.objects.filter(account=account).order_by("-pk")
    if state is None:
        return rows
    if state == State.REVOKED:
        return rows.filter(revoked_at__isnull=False)
    rows = rows.filter(revoked_at=None)
    return rows.filter(expires_at__lte=Now()) if state == State.EXPIRED else rows.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


def current_minutes(key_ids: Iterable[int]) -> dict[int, Minute]:
    """The current minute of each of these keys that was used before; the others are IDLE."""
    with connection.cursor() as cursor:
        cursor.execute(MINUTES, [list(key_ids)])
        return {key_id: Minute(*counts) for key_id, *counts in cursor.fetchall()}
