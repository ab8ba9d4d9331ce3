"""The Playground's JSON addresses (README.md). For whoever is logged in, with the CSRF token of every page."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from apps.accounts.access import acting_account, current_user
from apps.accounts.models import Account, User
from apps.catalog.models import Price
from apps.catalog.queries import prices_on_offer
from apps.core.money import usd_per_token_from_pico
from apps.gateway.openai.fields import bad_field
from apps.playground import conversations, preparing, reading
from apps.playground.controls import controls_of
from apps.playground.errors import Refused
from apps.playground.frames import MESSAGE_BYTES, NewMessages, check_messages
from apps.playground.messages import MAX_MESSAGES
from apps.playground.registry import registry
from apps.playground.sealing import seal

MAX_PANES = 4


class NewConversation(msgspec.Struct, forbid_unknown_fields=True):
    id: UUID
    title: str
    panes: list[dict[str, Any]]


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    images: list[str]


class Change(msgspec.Struct, forbid_unknown_fields=True):
    title: str | None = None
    panes: list[dict[str, Any]] | None = None
    draft: Draft | None = None


Kind = TypeVar("Kind")
Work = Callable[..., Any]


def address(**methods: Work) -> Callable[..., HttpResponse]:
    """A view of JSON: each method is called with request, user, account and what is in the address; it raises Refused."""

    @never_cache
    @functools.wraps(next(iter(methods.values())))
    def view(request: HttpRequest, **place: Any) -> HttpResponse:
        try:
            if not request.user.is_authenticated:
                raise Refused("You are logged out: log in again.", code="logged_out", status=401)
            work = methods.get(request.method or "")
            if work is None:
                raise Refused(f"This address takes {', '.join(methods)}.", code="method_not_allowed", status=405)
            answer = work(request, current_user(request), acting_account(request), **place)
        except Refused as refusal:
            return _json({"error": refusal.shape()}, refusal.status)
        return _json(answer)

    return view


def _json(answer: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(answer), content_type="application/json", status=status)


def _body(request: HttpRequest, kind: type[Kind]) -> Kind:
    """Raises Refused."""
    text = request.read(MESSAGE_BYTES + 1)
    if len(text) > MESSAGE_BYTES:
        raise Refused(
            f"That was larger than {MESSAGE_BYTES / 1e6:g} MB: leave an image out, or write less.", code="message_too_large", status=413
        )
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = bad_field(str(error))
        raise Refused(problem.message, code=problem.code, param=problem.param) from None


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not title or len(title) > conversations.MAX_TITLE:
        raise Refused(f"title: write 1 to {conversations.MAX_TITLE} characters.", code="invalid_request", param="title")
    return title


def _panes(panes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not 1 <= len(panes) <= MAX_PANES:
        raise Refused(f"panes: there are one to {MAX_PANES}.", code="invalid_request", param="panes")
    return panes


def _models(request: HttpRequest, user: User, account: Account) -> dict[str, Any]:
    return {"models": [_model(price) for price in prices_on_offer()]}


def _model(price: Price) -> dict[str, Any]:
    model = price.model
    cached = price.input_pico if price.cached_input_pico is None else price.cached_input_pico
    capabilities = [*model.supported_features]
    if "image" in model.input_modalities and "vision" not in capabilities:
        capabilities.append("vision")
    return {
        "id": model.public_id,
        "name": model.name,
        "description": model.description,
        "context_length": model.context_length,
        "max_output": model.max_output_length or model.context_length,
        "prices": {
            "input": usd_per_token_from_pico(price.input_pico),
            "output": usd_per_token_from_pico(price.output_pico),
            "input_cache_read": usd_per_token_from_pico(cached),
            "request": usd_per_token_from_pico(price.request_pico),
        },
        "capabilities": capabilities,
        "parameters": controls_of(model),
    }


def _list(request: HttpRequest, user: User, account: Account) -> dict[str, Any]:
    return conversations.page(user, account, request.GET.get("q", "").strip(), request.GET.get("before", ""))


def _create(request: HttpRequest, user: User, account: Account) -> dict[str, Any]:
    new = _body(request, NewConversation)
    conversations.create(user, account, new.id, _title(new.title), _panes(new.panes))
    return reading.whole(user, account, new.id)


def _read(request: HttpRequest, user: User, account: Account, identifier: UUID) -> dict[str, Any]:
    return reading.whole(user, account, identifier)


def _change(request: HttpRequest, user: User, account: Account, identifier: UUID) -> dict[str, Any]:
    change = _body(request, Change)
    sealed = {}
    if change.title is not None:
        sealed["sealed_title"] = seal(_title(change.title))
    if change.panes is not None:
        sealed["sealed_panes"] = seal(json.dumps(_panes(change.panes)))
    if change.draft is not None:
        sealed["sealed_draft"] = seal(msgspec.json.encode(change.draft).decode())
    conversations.change(user, account, identifier, sealed)
    return {}


def _delete(request: HttpRequest, user: User, account: Account, identifier: UUID) -> dict[str, Any]:
    registry.stop(conversations.delete(user, account, identifier))
    return {}


def _messages(request: HttpRequest, user: User, account: Account, identifier: UUID) -> dict[str, Any]:
    return {"messages": reading.above(user, account, identifier, _head(request.GET.get("head", "")), _most(request.GET.get("most", "")))}


def _add(request: HttpRequest, user: User, account: Account, identifier: UUID) -> dict[str, Any]:
    new = _body(request, NewMessages)
    check_messages(new.messages)
    preparing.add(user, account, identifier, new)
    return {}


def _head(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refused("head: give the id of a message.", code="invalid_request", param="head") from None


def _most(text: str) -> int:
    if not text:
        return MAX_MESSAGES
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MAX_MESSAGES):
        raise Refused(f"most: give a number from 1 to {MAX_MESSAGES:,}.", code="invalid_request", param="most")
    return int(text)


models = address(GET=_models)
list_or_create = address(GET=_list, POST=_create)
messages = address(GET=_messages, POST=_add)
conversation = address(GET=_read, PATCH=_change, DELETE=_delete)
