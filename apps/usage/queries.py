"""Reading the inference log and its sums. Amounts in nano-USD."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from apps.api_keys.models import ApiKey, State
from apps.api_keys.queries import IDLE, Minute, current_minutes
from apps.core.moments import database_now
from apps.usage.models import Inference, Status


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """What a key used so far: every request that has ended, the last one included. Month and day are the current ones in UTC."""

    requests: int = 0
    charged: int = 0
    charged_this_month: int = 0
    charged_today: int = 0
    last_admitted_at: datetime | None = None


UNUSED = KeyUsage()


@dataclass(frozen=True, slots=True)
class DayUsage:
    requests: int = 0
    charged: int = 0


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A key with what it uses now and has used so far."""

    key: ApiKey
    state: State
    minute: Minute
    usage: KeyUsage
    last_used_at: datetime | None


def usage_of_keys(key_ids: Iterable[int]) -> dict[int, KeyUsage]:
    """By key; those that were never used are left out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM usage_of_keys(%s::bigint[])", [list(key_ids)])
        return {key_id: KeyUsage(*sums) for key_id, *sums in cursor.fetchall()}


def days_of_key(key_id: int, since: date) -> dict[date, DayUsage]:
    """By day in UTC; days on which it was not used are left out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM usage_days_of_key(%s, %s)", [key_id, since])
        return {day: DayUsage(*sums) for day, *sums in cursor.fetchall()}


def in_use(keys: Sequence[ApiKey]) -> list[KeyInUse]:
    """The same keys in the same order. One whose requests are open is used now.

    Open requests are read before the log: one that ends in between is seen in either.
    """
    ids = [key.pk for key in keys]
    minutes = current_minutes(ids)
    usages = usage_of_keys(ids)
    now = database_now()
    found = []
    for key in keys:
        minute, usage = minutes.get(key.pk, IDLE), usages.get(key.pk, UNUSED)
        found.append(KeyInUse(key, key.state(now), minute, usage, now if minute.open else usage.last_admitted_at))
    return found


def trouble_of_key(key_id: int, limit: int) -> list[Inference]:
    """The key's newest requests that were not completed, newest first."""
    return list(Inference.objects.filter(api_key_id=key_id).exclude(status=Status.COMPLETED).order_by("-pk")[:limit])


def last_inferences_with_key(account_id: int, limit: int) -> list[Inference]:
    """The account's newest requests that came with an API key, newest first; for an account that has few others."""
    return list(Inference.objects.filter(account_id=account_id, api_key_id__isnull=False).order_by("-pk")[:limit])
