"""The management API of keys: `/api/v1/keys/…`."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.api.management import (
    PAGING,
    Conflict,
    ManagementView,
    NotFound,
    Page,
    answer,
    as_bad_request,
    body_of,
    one_of,
    operation,
)
from apps.api_keys import actions
from apps.api_keys.models import ApiKey, Scope, State
from apps.api_keys.public_fields import key_fields
from apps.api_keys.queries import IDLE, current_minutes, keys_in_state
from apps.core.moments import moment_from_iso
from apps.core.money import nano_from_usd, usd_from_nano
from apps.gateway.errors import BadRequest
from apps.usage.queries import KeyInUse, in_use

# The bounds of the model's own validators, for the schema and an error before anything is asked of the database.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Rpm = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Tpm = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Concurrent = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Moment = Annotated[str, msgspec.Meta(max_length=64, extra_json_schema={"format": "date-time"})]
Dollars = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ScopeName = Literal["inference", "management"]
SCOPES: dict[ScopeName, Scope] = {"inference": Scope.INFERENCE, "management": Scope.MANAGEMENT}


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A limit that is left out or null is unlimited; without `expires_at` (ISO 8601) the key never expires. Spend limits are US dollars as
    a decimal text; days and months are UTC's."""

    name: Name
    scope: ScopeName = "inference"
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    max_concurrent: Concurrent | None = None
    spend_limit_day: Dollars | None = None
    spend_limit_month: Dollars | None = None
    expires_at: Moment | None = None


class KeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """A field that is left out stays as it is; a limit that is null becomes unlimited."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    rpm: Rpm | msgspec.UnsetType | None = msgspec.UNSET
    tpm: Tpm | msgspec.UnsetType | None = msgspec.UNSET
    max_concurrent: Concurrent | msgspec.UnsetType | None = msgspec.UNSET
    spend_limit_day: Dollars | msgspec.UnsetType | None = msgspec.UNSET
    spend_limit_month: Dollars | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: Moment | msgspec.UnsetType | None = msgspec.UNSET


class KeyInfo(msgspec.Struct, kw_only=True):
    """An API key. `spent` and spend limits in US dollars, exact to the last request that ended; month and day are the current ones in UTC."""

    id: int
    name: str
    last4: str
    scope: ScopeName
    status: Literal["active", "expired", "revoked"]
    rpm: int | None
    tpm: int | None
    max_concurrent: int | None
    spend_limit_day: str | None
    spend_limit_month: str | None
    expires_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaces: int | None
    requests: int
    spent: str
    spent_this_month: str
    spent_today: str


class KeyWithSecret(KeyInfo, kw_only=True):
    """`key` is the full key: it is shown here and never again."""

    key: str


class KeyList(msgspec.Struct):
    """`next` is the cursor of the next page, null on the last one."""

    data: list[KeyInfo]
    next: str | None


class Gauge(msgspec.Struct):
    """`limit` and `left` are null where there is no limit."""

    used: int
    limit: int | None
    left: int | None


class CurrentMinute(msgspec.Struct):
    """What limits are judged by: requests and tokens of the last sixty seconds, and the requests that are open now."""

    requests: Gauge
    tokens: Gauge
    concurrent: Gauge


decode_new_key = msgspec.json.Decoder(NewKey)
decode_change = msgspec.json.Decoder(KeyChange)
schema = partial(operation, "keys")


class Keys(ManagementView):
    @schema(
        "list_keys",
        "List API keys",
        KeyList,
        reads=True,
        parameters=[*PAGING, OpenApiParameter("status", str, enum=State.values, description="Only keys in this state.")],
    )
    def get(self, request: Request) -> HttpResponse:
        """Every key the account has or had, newest first, management keys too."""
        query = request._request.GET
        page = Page(keys_in_state(request.auth.account, one_of(query, "status", State.values)), query)
        return answer(KeyList([info(used) for used in in_use(page.rows)], page.next))

    @schema("create_key", "Create an API key", KeyWithSecret, status=201, request={"application/json": NewKey})
    def post(self, request: Request) -> HttpResponse:
        """The answer is the only one that shows the full key."""
        wanted, manager = body_of(request, decode_new_key), request.auth
        limits = actions.Limits(
            wanted.rpm,
            wanted.tpm,
            wanted.max_concurrent,
            moment(wanted.expires_at),
            dollars("spend_limit_day", wanted.spend_limit_day),
            dollars("spend_limit_month", wanted.spend_limit_month),
        )
        try:
            row, key = actions.create_key(manager.account, wanted.name, limits, SCOPES[wanted.scope], manager.user)
        except ValidationError as error:
            raise as_bad_request(error) from None
        return answer(with_secret(one_key(request, row.pk), key), status=201)


class Key(ManagementView):
    @schema("retrieve_key", "Retrieve an API key", KeyInfo, reads=True)
    def get(self, request: Request, key_id: int) -> HttpResponse:
        """Its limits, and what it has used so far."""
        return answer(info(used(one_key(request, key_id))))

    @schema("update_key", "Change a key's name or limits", KeyInfo, request={"application/json": KeyChange})
    def patch(self, request: Request, key_id: int) -> HttpResponse:
        """Counts from the next request on."""
        change, row = body_of(request, decode_change), one_key(request, key_id)
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
        if "expires_at" in given:
            given["expires_at"] = moment(given["expires_at"])
        for name in ("spend_limit_day", "spend_limit_month"):
            if name in given:
                given[name] = dollars(name, given[name])
        try:
            actions.edit_key(row, given)
        except actions.KeyRevoked as error:
            raise revoked(error) from None
        except ValidationError as error:
            raise as_bad_request(error) from None
        return answer(info(used(one_key(request, key_id))))

    @schema("delete_key", "Revoke an API key", KeyInfo)
    def delete(self, request: Request, key_id: int) -> HttpResponse:
        """The same as POST …/revoke: the key stays in the list, for what it has spent."""
        return revoke(request, key_id)


class RevokeKey(ManagementView):
    @schema("revoke_key", "Revoke an API key", KeyInfo, request=None)
    def post(self, request: Request, key_id: int) -> HttpResponse:
        """It is refused from the next request on; requests that are open run to their end. Repeating changes nothing."""
        return revoke(request, key_id)


class RegenerateKey(ManagementView):
    @schema("regenerate_key", "Regenerate an API key", KeyWithSecret, status=201, request=None)
    def post(self, request: Request, key_id: int) -> HttpResponse:
        """Revokes the key and makes another with its name, scope and limits, in one step. The new one has an id of its own."""
        try:
            row, key = actions.regenerate_key(one_key(request, key_id), request.auth.user)
        except actions.KeyRevoked as error:
            raise revoked(error) from None
        return answer(with_secret(one_key(request, row.pk), key), status=201)


class KeyUsage(ManagementView):
    @schema("retrieve_key_usage", "What a key uses now", CurrentMinute, reads=True)
    def get(self, request: Request, key_id: int) -> HttpResponse:
        """Against its limits. Cheap: it may be asked every second."""
        row = one_key(request, key_id)
        minute = current_minutes([row.pk]).get(row.pk, IDLE)
        return answer(CurrentMinute(gauge(minute.requests, row.rpm), gauge(minute.tokens, row.tpm), gauge(minute.open, row.max_concurrent)))


def one_key(request: Request, key_id: int) -> ApiKey:
    """A key of the manager's account. Raises NotFound."""
    row = keys_in_state(request.auth.account).filter(pk=key_id).first()
    if row is None:
        raise NotFound(f"There is no API key with the id {key_id}.", code="key_not_found")
    return row


def revoke(request: Request, key_id: int) -> HttpResponse:
    actions.revoke_key(one_key(request, key_id))
    return answer(info(used(one_key(request, key_id))))


def revoked(error: actions.KeyRevoked) -> Conflict:
    return Conflict(f"{error.messages[0].capitalize()}.", code="key_revoked")


def moment(text: str | None) -> datetime | None:
    """Raises BadRequest naming expires_at."""
    try:
        return None if text is None else moment_from_iso(text)
    except ValueError as error:
        raise BadRequest(f"expires_at: {error}.", param="expires_at") from None


def dollars(name: str, text: str | None) -> int | None:
    """In nano-USD. Raises BadRequest naming the field."""
    try:
        amount = None if text is None else nano_from_usd(text, name)
    except ValueError as error:
        raise BadRequest(f"{error}.", param=name) from None
    if amount is not None and amount < 1:
        raise BadRequest(f"{name}: must be above zero.", param=name)
    return amount


def gauge(used: int, limit: int | None) -> Gauge:
    return Gauge(used, limit, None if limit is None else max(0, limit - used))


def used(row: ApiKey) -> KeyInUse:
    return in_use([row])[0]


def info(used: KeyInUse) -> KeyInfo:
    return KeyInfo(**_fields(used))


def with_secret(row: ApiKey, key: str) -> KeyWithSecret:
    return KeyWithSecret(**_fields(used(row)), key=key)


def _fields(used: KeyInUse) -> dict[str, Any]:
    return {
        **key_fields(used.key),
        "status": used.state.value,
        "last_used_at": used.last_used_at,
        "requests": used.usage.requests,
        "spent": usd_from_nano(used.usage.charged),
        "spent_this_month": usd_from_nano(used.usage.charged_this_month),
        "spent_today": usd_from_nano(used.usage.charged_today),
    }
