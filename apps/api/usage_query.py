"""What the query of a usage or inference address may say, and the names of what it is about. Everything that is wrong with a parameter is
a BadRequest that names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from apps.accounts.models import Account
from apps.api_keys.models import ApiKey
from apps.catalog.models import Model
from apps.core.moments import database_now, moment_from_iso
from apps.core.money import nano_from_usd
from apps.gateway.errors import BadRequest
from apps.usage import ranges
from apps.usage.models import Dialect, Status
from apps.usage.ranges import EPOCH, QUARTER, Range

STATUSES = {status.name.lower(): status for status in Status}
DIALECTS = {dialect.name.lower(): dialect for dialect in Dialect}
RANGES = ("1h", "24h", "7d", "30d", "90d", "12m", "today", "month", "last_month")
MOST_VALUES = 50


class KeyName(msgspec.Struct):
    """A key of the account; `name` and `last4` are empty where it is deleted."""

    id: int
    name: str
    last4: str


FILTERS = [
    OpenApiParameter("model", OpenApiTypes.STR, many=True, description="Only these models, by id."),
    OpenApiParameter("key", {"type": "array", "items": {"type": "integer", "minimum": 0}}, description="Only these keys, by id; 0: without a key, as in the Playground."),
    OpenApiParameter("status", OpenApiTypes.STR, many=True, enum=list(STATUSES), description="Only with these ends."),
    OpenApiParameter("dialect", OpenApiTypes.STR, many=True, enum=list(DIALECTS), description="Only in these dialects."),
]  # fmt: skip


def models_of(query: QueryDict) -> list[int] | None:
    """Ids of the models that are named, None without any."""
    wanted = _values(query, "model")
    if not wanted:
        return None
    found = dict(Model.objects.filter(public_id__in=wanted).values_list("public_id", "pk"))
    if unknown := [name for name in wanted if name not in found]:
        raise BadRequest(f"model: there is no model {unknown[0][:100]!r}.", param="model")
    return list(found.values())


def keys_of(query: QueryDict) -> list[int] | None:
    """Ids of keys; one that is not the account's finds nothing."""
    wanted = _values(query, "key")
    if any(not (text.isascii() and text.isdigit() and len(text) <= 18) for text in wanted):
        raise BadRequest("key: must be the id of a key, or 0.", param="key")
    return [int(text) for text in wanted] or None


def statuses_of(query: QueryDict) -> list[int] | None:
    return _named(query, "status", STATUSES)


def dialects_of(query: QueryDict) -> list[int] | None:
    return _named(query, "dialect", DIALECTS)


def zone_of(query: QueryDict, account: Account) -> ZoneInfo:
    """`time_zone`, or the account's own."""
    name = query.get("time_zone", account.time_zone)
    if name not in time_zones():
        raise BadRequest("time_zone: must be the name of an IANA time zone, such as Europe/Berlin.", param="time_zone")
    return ZoneInfo(name)


@cache
def time_zones() -> set[str]:
    """Python looks through the files of the zones each time it is asked."""
    return available_timezones()


def moment_of(query: QueryDict, name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = moment_from_iso(text)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}.", param=name) from None
    if not 2000 <= moment.year < 2999:
        raise BadRequest(f"{name}: must be in the years 2000 to 2998.", param=name)
    return moment


def range_of(query: QueryDict, zone: ZoneInfo) -> Range:
    """`range`, or `start` and `end`, widened to whole quarters of an hour; the last thirty days without any."""
    start, end, word = moment_of(query, "start"), moment_of(query, "end"), query.get("range")
    now = database_now()
    if start is not None:
        if word is not None:
            raise BadRequest("range: not allowed together with 'start'.", param="range")
        start, end = start - (start - EPOCH) % QUARTER, (end or now) + (EPOCH - (end or now)) % QUARTER
        if start >= end:
            raise BadRequest("end: must lie behind 'start'.", param="end")
        return Range(start, end, zone)
    if end is not None:
        raise BadRequest("start: missing, though 'end' is there.", param="start")
    return _range_named(word or "30d", now, zone)


def whole_number(query: QueryDict, name: str) -> int | None:
    text = query.get(name)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequest(f"{name}: must be a whole number.", param=name)
    return None if text is None else int(text)


def amount(query: QueryDict, name: str) -> int | None:
    """US dollars, in nano-USD."""
    text = query.get(name)
    try:
        return None if text is None else nano_from_usd(text, name)
    except ValueError as error:
        raise BadRequest(f"{error}.", param=name) from None


def flag(query: QueryDict, name: str) -> bool | None:
    text = query.get(name)
    if text not in (None, "true", "false"):
        raise BadRequest(f"{name}: must be true or false.", param=name)
    return None if text is None else text == "true"


def model_names(ids: Iterable[int]) -> Mapping[int, str]:
    return dict(Model.objects.filter(pk__in=set(ids)).values_list("pk", "public_id"))


def key_names(account: Account, ids: Iterable[int | None]) -> dict[int, KeyName]:
    """Of the account's keys; a deleted one has no name."""
    wanted = {key for key in ids if key}
    found = {
        key: KeyName(key, name, last4)
        for key, name, last4 in ApiKey.objects.filter(account=account, pk__in=wanted).values_list("pk", "name", "last4")
    }
    return {key: found.get(key, KeyName(key, "", "")) for key in wanted}  # fmt: skip


def _range_named(word: str, now: datetime, zone: ZoneInfo) -> Range:
    if word in ("1h", "24h"):
        return ranges.last(timedelta(hours=int(word[:-1])), now, zone)
    if word in ("7d", "30d", "90d"):
        return ranges.last_days(int(word[:-1]), now, zone)
    month = ranges.month_of(now, zone)
    if word == "today":
        return ranges.day_of(now, zone)
    if word == "month":
        return month
    if word == "last_month":
        return month.before
    if word == "12m":
        first = month
        for _ in range(11):
            first = first.before
        return Range(first.start, month.end, zone)
    raise BadRequest(f"range: must be one of {', '.join(RANGES)}.", param="range")


def _named(query: QueryDict, name: str, allowed: Mapping[str, int]) -> list[int] | None:
    wanted = _values(query, name)
    if any(word not in allowed for word in wanted):
        raise BadRequest(f"{name}: must be one of {', '.join(allowed)}.", param=name)
    return [int(allowed[word]) for word in wanted] or None


def _values(query: QueryDict, name: str) -> Sequence[str]:
    """A parameter may be given several times, or with commas."""
    values = [word for text in query.getlist(name) for word in text.split(",")]
    if len(values) > MOST_VALUES or any("\0" in value for value in values):
        raise BadRequest(f"{name}: at most {MOST_VALUES} values.", param=name)
    return values
