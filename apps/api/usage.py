"""The management API of usage: `GET /api/v1/usage`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from apps.api import usage_query as ask
from apps.api.management import READING, ManagementView, answer, errors, one_of
from apps.api.usage_query import DIALECTS, FILTERS, STATUSES, KeyName
from apps.gateway.errors import BadRequest
from apps.usage import figures
from apps.usage.figures import Durations, Filters, Group, Sums
from apps.usage.public_fields import amounts
from apps.usage.ranges import Bucket


class UsageSums(msgspec.Struct):
    """`errors` are requests that failed or were lost. Input tokens include the cached ones, output tokens the reasoning. `cost` is what the
    tokens come to, `charged` what was taken from the credit, both in US dollars."""

    requests: int
    errors: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: str
    charged: str


class Percentiles(msgspec.Struct):
    """In milliseconds, right to a tenth; null without a request that has one."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class Latency(msgspec.Struct):
    """Of whole requests, and of the time to their first token."""

    total: Percentiles
    first_token: Percentiles


class UsagePoint(UsageSums, kw_only=True):
    """The sums of a bucket. Of `model`, `key`, `status` and `dialect` the one is there that `group_by` names; a key that is null is none,
    as in the Playground."""

    start: datetime
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    key: KeyName | msgspec.UnsetType | None = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET
    dialect: str | msgspec.UnsetType = msgspec.UNSET
    latency: Latency | msgspec.UnsetType = msgspec.UNSET


class UsageAnswer(msgspec.Struct):
    """Requests are counted when they end, which is when they are charged. `data` is by bucket, then by group: those that have requests.
    `previous` is the range before, as long as this one; `latency` is there when it was asked for."""

    start: datetime
    end: datetime
    time_zone: str
    bucket: str
    total: UsageSums
    previous: UsageSums
    data: list[UsagePoint]
    latency: Latency | msgspec.UnsetType = msgspec.UNSET


class Usage(ManagementView):
    @extend_schema(
        operation_id="retrieve_usage",
        tags=["usage"],
        summary="What the account used",
        parameters=[
            OpenApiParameter("range", OpenApiTypes.STR, enum=list(ask.RANGES), description="Up to now, in the time zone; `30d` if neither it nor `start` is there."),
            OpenApiParameter("start", OpenApiTypes.DATETIME, description="ISO 8601, in place of `range`; down to a quarter of an hour."),
            OpenApiParameter("end", OpenApiTypes.DATETIME, description="ISO 8601, up to a quarter of an hour; now if it is missing."),
            OpenApiParameter("time_zone", OpenApiTypes.STR, description="IANA name, in which days, weeks and months begin; the account's if it is missing."),
            OpenApiParameter("bucket", OpenApiTypes.STR, enum=list(Bucket), description="What a point stands for; one that suits the range if it is missing."),
            OpenApiParameter("group_by", OpenApiTypes.STR, enum=[group for group in Group if group], description="A point for each of these in a bucket."),
            OpenApiParameter("latency", OpenApiTypes.BOOL, description="Percentiles of durations too."),
            *FILTERS,
        ],
        responses={200: UsageAnswer, **errors(READING)},
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponse:
        """Requests, tokens and spend over a range, exact to the last request that ended."""
        query, account = request._request.GET, request.auth.account
        zone = ask.zone_of(query, account)
        span = ask.range_of(query, zone)
        bucket = Bucket(one_of(query, "bucket", list(Bucket)) or span.usual_bucket)
        group = Group(one_of(query, "group_by", [group for group in Group if group]) or Group.NONE)
        filters = Filters(ask.models_of(query), ask.keys_of(query), ask.statuses_of(query), ask.dialects_of(query))
        try:
            found, before = figures.together(account.pk, [(span, bucket), (span.before, None)], group, filters)
        except ValueError as error:
            raise BadRequest(f"bucket: {error}.", param="bucket") from None
        durations = figures.durations(account.pk, span, bucket, group, filters) if ask.flag(query, "latency") else None
        name = _namer(account, group, list(found.totals))
        data = []
        for number, start in enumerate(found.starts):
            for value, points in found.groups.items():
                if points[number].requests:
                    point = UsagePoint(start=start, **_fields(points[number]), **name(value))
                    if durations:
                        point.latency = latency(durations.groups[value][number])
                    data.append(point)
        total, previous = (UsageSums(**_fields(sums)) for sums in (found.whole, before.whole))
        whole = latency(durations.whole) if durations else msgspec.UNSET
        return answer(UsageAnswer(span.start, span.end, str(zone), bucket, total, previous, data, whole))


def _namer(account: Any, group: Group, values: list[int]) -> Callable[[int], dict[str, Any]]:
    """From a group's value to the field that names it."""
    if group == Group.MODEL:
        models = ask.model_names(values)
        return lambda value: {"model": models.get(value)}
    if group == Group.KEY:
        keys = ask.key_names(account, values)
        return lambda value: {"key": keys.get(value)}
    words = {number: word for word, number in (STATUSES if group == Group.STATUS else DIALECTS).items()}
    return lambda value: {group.value: words[value]} if group else {}  # type: ignore[index]


def latency(durations: Durations) -> Latency:
    return Latency(*(Percentiles(*(_tenth(part.get(n)) for n in figures.PERCENTILES)) for part in (durations.total, durations.first_token)))


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _fields(sums: Sums) -> dict[str, Any]:
    return {"requests": sums.requests, "errors": sums.errors, **amounts(sums)}
