"""The fast door: the hot POSTs as bare ASGI, from bytes to the story and back, past every framework."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from django.conf import settings

from apps.core.cors import answer_headers
from apps.core.ids import uuid7
from apps.gateway.client import Call, bearer
from apps.gateway.endpoints import ENDPOINTS, surface_of
from apps.gateway.errors import ApiError, Header, TooLarge
from apps.gateway.inference import Reply, answer_call
from apps.gateway.reading import check_length, check_media_type, client_address, too_large, too_slow
from apps.gateway.runtime import Gateway

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientLeft(Exception):
    """Gone before its request was read."""


class AsgiClient:
    """A Client over ASGI. From `watch` on, when the body has been read, a task waits for the disconnect message."""

    def __init__(self, receive: Receive, send: Send, extra_headers: list[Header]) -> None:
        self._receive = receive
        self._send = send
        self._extra_headers = extra_headers
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False
        self._idle = False
        self._callback: Callable[[], None] | None = None

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        await self._write({"type": "http.response.start", "status": status, "headers": [*headers, *self._extra_headers]})

    async def send(self, data: bytes, *, last: bool) -> None:
        await self._write({"type": "http.response.body", "body": data, "more_body": not last})

    async def _write(self, message: MutableMapping[str, Any]) -> None:
        """Nothing more is written to a client that has not read for CLIENT_IDLE_S: the server closes the connection of an answer
        that does not end."""
        if self._idle:
            return
        try:
            async with asyncio.timeout(settings.CLIENT_IDLE_S):
                await self._send(message)
        except TimeoutError:
            self._idle = True
            self._leave()

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        if self._gone:
            callback()

    def watch(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        if not self._gone:
            self._gone = True
            if self._callback is not None:
                self._callback()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()


async def handle(gateway: Gateway, scope: Scope, receive: Receive, send: Send) -> None:
    """One hot POST; `scope["path"]` is one of ENDPOINTS, with or without a trailing slash."""
    arrived = time.monotonic()
    identifier = uuid7()
    headers = _headers(scope)
    client = AsgiClient(receive, send, _cross_origin(headers))
    try:
        check_length(headers.get(b"content-length", b"").decode("latin-1"))
        check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
        key, address = _key(headers), _address(scope, headers)
        await gateway.keyring.find(key, address)  # a stranger's body is not read; from now on the key is remembered
        body = await read_body(receive)
        client.watch()
        await answer_call(gateway, ENDPOINTS[scope["path"].rstrip("/")], Call(identifier, key, address, body, arrived), client)
    except ApiError as error:
        await Reply(client, surface_of(scope["path"]), identifier).fail(error)
    except ClientLeft:
        return
    finally:
        client.close()


async def refused_by_length(scope: Scope, receive: Receive, send: Send) -> bool:
    """Answers 413 to a request for another door, which would have to read it first. False when its length is no reason to."""
    headers = _headers(scope)
    try:
        check_length(headers.get(b"content-length", b"").decode("latin-1"))
    except TooLarge as error:
        await _refuse(scope, receive, send, error)
        return True
    return False


def in_time(scope: Scope, receive: Receive, send: Send) -> Receive:
    """`receive` for another door, which reads the whole body first: when that takes too long the client gets a 408, and the door
    hears that it has left."""
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
            await _refuse(scope, receive, send, too_slow())
            return {"type": "http.disconnect"}
        whole = not message.get("more_body")
        return message

    return receive_in_time


async def read_body(receive: Receive) -> bytes:
    """The request's body. Raises TooLarge, RequestTimeout and ClientLeft."""
    pieces: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(settings.BODY_TIMEOUT_S):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > settings.MAX_REQUEST_BYTES:
                    raise too_large()
                more = message.get("more_body", False)
    except TimeoutError:
        raise too_slow() from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _refuse(scope: Scope, receive: Receive, send: Send, error: ApiError) -> None:
    await Reply(AsgiClient(receive, send, _cross_origin(_headers(scope))), surface_of(scope["path"]), uuid7()).fail(error)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return {name: value for name, value in scope["headers"]}  # noqa: C416  the last of several with one name counts


def _cross_origin(headers: dict[bytes, bytes]) -> list[Header]:
    if b"origin" not in headers:
        return []
    allowed = answer_headers(headers[b"origin"].decode("latin-1"))
    return [(name.lower().encode(), value.encode()) for name, value in allowed.items()]


def _key(headers: dict[bytes, bytes]) -> str | None:
    return bearer(headers.get(b"authorization", b"").decode("latin-1"), headers.get(b"x-api-key", b"").decode("latin-1"))


def _address(scope: Scope, headers: dict[bytes, bytes]) -> str:
    peer = scope.get("client")
    return client_address(peer[0] if peer else "", headers.get(b"x-forwarded-for", b"").decode("latin-1"))
