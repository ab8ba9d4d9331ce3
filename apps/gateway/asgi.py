"""The fast door: the hot POSTs as bare ASGI, from bytes to the story and back, past every framework."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from django.conf import settings

from apps.core.cors import answer_headers
from apps.core.ids import uuid7
from apps.gateway.client import Call, bearer, identity
from apps.gateway.endpoint import Endpoint
from apps.gateway.errors import ApiError, Header, TooLarge, UnsupportedMediaType
from apps.gateway.inference import Reply, answer_call
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.completions import completions
from apps.gateway.runtime import Gateway

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ENDPOINTS: dict[str, Endpoint] = {"/v1/chat/completions": chat_completions, "/v1/completions": completions}


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
        self._callback: Callable[[], None] | None = None

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._extra_headers]})

    async def send(self, data: bytes, *, last: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        if self._gone:
            callback()

    def watch(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
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
    headers = {name: value for name, value in scope["headers"]}  # noqa: C416  the last of several with one name counts
    client = AsgiClient(receive, send, _cross_origin(headers))
    try:
        body = await read_body(headers, receive)
        client.watch()
        call = Call(identifier, _key(headers), _address(scope, headers), body, arrived)
        await answer_call(gateway, ENDPOINTS[scope["path"].rstrip("/")], call, client)
    except ApiError as error:
        await Reply(client, identity(identifier)).fail(error)
    except ClientLeft:
        return
    finally:
        client.close()


def announces_too_much(scope: Scope) -> bool:
    """Whether the request's Content-Length is above MAX_REQUEST_BYTES."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return length.isdigit() and int(length) > settings.MAX_REQUEST_BYTES


async def refuse_too_large(scope: Scope, receive: Receive, send: Send) -> None:
    """413 for a request that another door would have to read first."""
    headers = {name: value for name, value in scope["headers"]}  # noqa: C416
    client = AsgiClient(receive, send, _cross_origin(headers))
    await Reply(client, identity(uuid7())).fail(too_large(settings.MAX_REQUEST_BYTES))


async def read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The request's body. Raises TooLarge, UnsupportedMediaType and ClientLeft."""
    check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
    most = settings.MAX_REQUEST_BYTES
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise too_large(most)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    if not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) > most:
            raise too_large(most)
        return whole
    pieces = [message.get("body", b"")]
    size = len(pieces[0])
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise too_large(most)
    return b"".join(pieces)


def check_media_type(content_type: str) -> None:
    """JSON, or nothing said. Raises UnsupportedMediaType."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type is {media_type!r}: send JSON as 'application/json'.")


def too_large(most: int) -> TooLarge:
    return TooLarge(f"The request is larger than {most} bytes.")


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


def client_address(peer: str, forwarded_for: str) -> str:
    """The client's address: the peer, or, behind TRUSTED_PROXIES proxies of ours, what the outermost of them saw."""
    if settings.TRUSTED_PROXIES and forwarded_for:
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        return hops[-min(settings.TRUSTED_PROXIES, len(hops))]
    return peer
