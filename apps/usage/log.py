"""Reading the inference log page by page, newest first. Amounts are nano-USD, durations milliseconds.

The log is in the order of its ids, which is that of the requests' arrival: times and pages are judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.ids import uuid7_floor, uuid7_time
from apps.usage.models import Inference

# Rows of the account that one page may look through: a filter that hardly anything passes takes several pages, none of them long.
LOOKED_THROUGH = 20_000


@dataclass(frozen=True, slots=True)
class LogFilters:
    """None: everything passes. Lists name ids of models and keys (0: without a key), Statuses and Dialects. `start` ≤ arrival < `end`;
    what was charged and durations (the whole, and to the first token) are bounds that belong to what passes; what never had a first
    token passes no bound of it."""

    models: Sequence[int] | None = None
    keys: Sequence[int] | None = None
    statuses: Sequence[int] | None = None
    dialects: Sequence[int] | None = None
    streamed: bool | None = None
    start: datetime | None = None
    end: datetime | None = None
    least_charged: int | None = None
    most_charged: int | None = None
    least_ms: int | None = None
    most_ms: int | None = None
    least_first_ms: int | None = None
    most_first_ms: int | None = None


EVERYTHING = LogFilters()


@dataclass(frozen=True, slots=True)
class LogPage:
    """`next` is the `before` of the next page, None when the log ends here. A page can be short, or empty, and have a next one: then it
    has looked through LOOKED_THROUGH requests, back to `looked_back_to`."""

    rows: list[Inference]
    next: UUID | None

    @property
    def looked_back_to(self) -> datetime | None:
        return uuid7_time(self.next) if self.next else None


def page(
    account_id: int, filters: LogFilters = EVERYTHING, limit: int = 50, before: UUID | None = None, after: UUID | None = None
) -> LogPage:
    """At most `limit` of the account's requests, newest first, with ids below `before` and above `after` (for what came since)."""
    where, values = _bounds(account_id, filters, before, after)
    conditions, more = _conditions(filters)
    floor: UUID | None = None
    if conditions:
        look = f"SELECT id FROM usage_inference WHERE {where} ORDER BY id DESC OFFSET {LOOKED_THROUGH - 1} LIMIT 1"  # noqa: S608
        floor = next((row.id for row in Inference.objects.raw(look, values)), None)
        where, values = f"{where} AND {conditions}", [*values, *more]
    if floor:
        where, values = f"{where} AND id >= %s::uuid", [*values, floor]
    read = f"SELECT * FROM usage_inference WHERE {where} ORDER BY id DESC LIMIT %s"  # noqa: S608  of our own texts
    found = list(Inference.objects.raw(read, [*values, limit + 1]))
    return LogPage(found[:limit], found[limit - 1].id) if len(found) > limit else LogPage(found, floor)


def one(account_id: int, identifier: UUID) -> Inference | None:
    """The account's request of this id."""
    return Inference.objects.filter(account_id=account_id, pk=identifier).first()


def _bounds(account_id: int, filters: LogFilters, before: UUID | None, after: UUID | None) -> tuple[str, list[Any]]:
    """What an index of the log answers: account and ids."""
    bounds, values = ["account_id = %s"], list[Any]([account_id])
    for sign, identifier in (
        ("<", before),
        (">", after),
        (">=", uuid7_floor(filters.start) if filters.start else None),
        ("<", uuid7_floor(filters.end) if filters.end else None),
    ):
        if identifier is not None:
            bounds.append(f"id {sign} %s::uuid")
            values.append(identifier)
    return " AND ".join(bounds), values


def _conditions(filters: LogFilters) -> tuple[str, list[Any]]:
    """What every row that was looked at is asked; empty without filters."""
    conditions, values = [], []
    for condition, value in (
        ("model_id = ANY (%s)", filters.models),
        ("coalesce(api_key_id, 0) = ANY (%s)", filters.keys),
        ("status = ANY (%s)", filters.statuses),
        ("dialect = ANY (%s)", filters.dialects),
        ("streamed = %s", filters.streamed),
        ("charged >= %s", filters.least_charged),
        ("charged <= %s", filters.most_charged),
        ("total_ms >= %s", filters.least_ms),
        ("total_ms <= %s", filters.most_ms),
        ("first_token_ms >= %s", filters.least_first_ms),
        ("first_token_ms <= %s", filters.most_first_ms),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(list(value) if isinstance(value, Sequence) else value)
    return " AND ".join(conditions), values


def settled_since(account_id: int, since: datetime, filters: LogFilters = EVERYTHING, limit: int = 50) -> list[Inference]:
    """At most `limit` of the account's requests that ended at `since` or later, the last to end first: those that had run for long too.
    Meant for the last few seconds: it looks at what all accounts settled since."""
    where, values = _bounds(account_id, filters, None, None)
    conditions, more = _conditions(filters)
    where = " AND ".join(part for part in ("settled_at >= %s", where, conditions) if part)
    read = f"SELECT * FROM usage_inference WHERE {where} ORDER BY settled_at DESC LIMIT %s"  # noqa: S608  of our own texts
    return list(Inference.objects.raw(read, [since, *values, *more, limit]))
