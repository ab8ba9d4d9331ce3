"""What stands in front of the REST door under ASGI, where a body is read whole before a view sees it: its length and its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from django.conf import settings

from apps.core.cors import answer_headers
from apps.core.ids import uuid7
from apps.gateway.endpoints import surface_of
from apps.gateway.errors import ApiError, Header, TooLarge
from apps.gateway.inference import Reply
from apps.gateway.reading import check_length, too_slow

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiClient:
    """A Client over ASGI, for a refusal: nothing that waits for its going."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        origin = _header(scope, b"origin")
        self._cross_origin = [(name.lower().encode(), value.encode()) for name, value in answer_headers(origin).items()]

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._cross_origin]})

    async def send(self, data: bytes, *, last: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    def when_gone(self, callback: Callable[[], None]) -> None:
        pass


async def refused_by_length(scope: Scope, send: Send) -> bool:
    """Answers 413 to a request that would have to be read first. False when its length is no reason to."""
    try:
        check_length(_header(scope, b"content-length"))
    except TooLarge as error:
        await _refuse(scope, send, error)
        return True
    return False


def in_time(scope: Scope, receive: Receive, send: Send) -> Receive:
    """`receive` for a door that reads the whole body first: when that takes too long the client gets a 408, and the door hears that
    it has left."""
    deadline = asyncio.get_running_loop().time() + settings.BODY_TIMEOUT_S
    whole = False

    async def receive_in_time() -> MutableMapping[str, Any]:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            await _refuse(scope, send, too_slow())
            return {"type": "http.disconnect"}
        whole = not message.get("more_body")
        return message

    return receive_in_time


async def _refuse(scope: Scope, send: Send, error: ApiError) -> None:
    await Reply(AsgiClient(scope, send), surface_of(scope["path"]), uuid7()).fail(error)


def _header(scope: Scope, name: bytes) -> str:
    """Empty when it is missing; of several with one name the last."""
    return next((value for other, value in reversed(scope["headers"]) if other == name), b"").decode("latin-1")
