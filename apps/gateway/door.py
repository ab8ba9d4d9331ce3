"""The fast door: uvicorn's HTTP protocol, but for the hot POSTs, which go from the parser to the story and back without ASGI.

A connection may carry both. uvicorn queues requests on a connection as `RequestResponseCycle`s, and a HotCall stands in for one of
them: `run_asgi`, `keep_alive`, `response_complete`, `disconnected` and `message_event` are what HttpToolsProtocol uses of it.
uvicorn is told to use this by `--http akashml.asgi:HttpProtocol`; docs/decisions/0010 says what it is worth.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from apps.core.client_address import client_address
from apps.core.cors import answer_headers
from apps.core.ids import uuid7
from apps.gateway.client import Call, bearer
from apps.gateway.endpoints import HOT_POSTS, HotPost
from apps.gateway.errors import ApiError, Header
from apps.gateway.inference import Reply
from apps.gateway.keyring import KeyEntry
from apps.gateway.process import host
from apps.gateway.reading import bodies, check_length, check_media_type, too_large, too_many_bodies, too_slow
from apps.gateway.runtime import Gateway

log = logging.getLogger(__name__)

# By the bytes of the path, in both spellings.
HOT: dict[bytes, HotPost] = {spelling.encode(): post for path, post in HOT_POSTS.items() for spelling in (path, path + "/")}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# uvicorn wakes a cycle that waits for a message by this; a HotCall never does.
_NOBODY_WAITS = asyncio.Event()


class ClientLeft(Exception):
    """Gone before its request was read."""


class HttpProtocol(HttpToolsProtocol):
    """One connection from a client."""

    answering: HotCall | None = None
    cycle: Any  # the newest request: a HotCall, or a cycle of uvicorn's

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        post = HOT.get(self.url.partition(b"?")[0]) if self.parser.get_method() == b"POST" else None
        if post is None or host.gateway is None or settings.SERVE == "pages" or self.parser.should_upgrade():
            self._leave_to_uvicorn()
            return
        before = self.cycle
        call = self.cycle = HotCall(self, host.gateway, post)
        if before is None or before.response_complete:
            self._start_asgi_task(call, self.app)  # type: ignore[arg-type]
        else:  # pipelined: uvicorn starts it when the one before has ended
            self.flow.pause_reading()
            self.pipeline.appendleft((call, self.app))  # type: ignore[arg-type]

    def _leave_to_uvicorn(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # makes the scope, which hot calls do without
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if type(self.cycle) is HotCall:
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if type(self.cycle) is HotCall:
            self.cycle.feed_end()
        else:
            super().on_message_complete()

    def shutdown(self) -> None:
        """The process was told to stop, and each of its connections is: the gateway ends what does not end by itself."""
        host.drain()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self.pipeline.clear()
        for call in (self.answering, self.cycle):  # first: uvicorn marks what it takes for its own cycle as lost
            if type(call) is HotCall:
                call.lose()
        super().connection_lost(exc)


class HotCall:
    """One hot POST: its body as it comes in, and the Client that its answer goes to. Its task starts when its headers are there and
    runs when the packet has been parsed: the body of a small request is complete by then."""

    __slots__ = (
        "_body", "_callback", "_chunked", "_gateway", "_head", "_headers", "_post", "_protocol", "_refusal", "_size", "_waiter",
        "_whole", "disconnected", "keep_alive", "message_event", "response_complete",
    )  # fmt: skip

    def __init__(self, protocol: HttpProtocol, gateway: Gateway, post: HotPost) -> None:
        self._protocol = protocol
        self._gateway = gateway
        self._post = post
        self._headers = dict(protocol.headers)  # the last of several with one name counts
        self._body: list[bytes] = []
        self._size = 0
        self._whole = False
        self._refusal: ApiError | None = None  # of the body: what comes of it is dropped
        self._waiter: asyncio.Future[None] | None = None
        self._callback: Callable[[], None] | None = None
        self._head = b""
        # HTTP/1.0 knows no chunks: there the end of the connection ends the answer.
        self._chunked = protocol.parser.get_http_version() != "1.0"
        self.keep_alive = self._chunked and protocol.parser.should_keep_alive()
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS

    async def run_asgi(self, app: Any) -> None:
        """From the headers to the last frame; never raises but for its own cancelling. `app` is uvicorn's, for requests that are not hot."""
        arrived = time.monotonic()
        identifier = uuid7()
        self._protocol.answering = self
        try:
            key = await self._introduce()
            if not self._whole:
                await self._rest_of_body()
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            await self._post.answer(self._gateway, Call(identifier, key, body, arrived), self)
        except ApiError as error:
            await Reply(self, self._post.surface, identifier).fail(error)
        except ClientLeft:
            return
        finally:
            self._give_back()
            if not self.response_complete and not self.disconnected:
                self._protocol.transport.close()  # an answer that broke off must not look complete

    # --- the request ------------------------------------------------------------------------------------------------
    async def _introduce(self) -> KeyEntry:
        """Whose request it is. Nothing more is read of a stranger before that is known. Raises ApiError."""
        headers = self._headers
        check_length(headers.get(b"content-length", b"").decode("latin-1"))
        check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
        key = bearer(headers.get(b"authorization", b"").decode("latin-1"), headers.get(b"x-api-key", b"").decode("latin-1"))
        if (known := self._gateway.keyring.known(key)) is not None:
            return known
        self._protocol.flow.pause_reading()
        try:
            return await self._gateway.keyring.find(key, self._address())
        finally:
            self._protocol.flow.resume_reading()

    async def _rest_of_body(self) -> None:
        """Raises TooLarge, RequestTimeout and ClientLeft."""
        if self._protocol.expect_100_continue and not self._body:
            self._protocol.transport.write(CONTINUE)
        try:
            async with asyncio.timeout(settings.BODY_TIMEOUT_S):
                while not self._whole and self._refusal is None and not self.disconnected:
                    self._waiter = self._protocol.loop.create_future()
                    await self._waiter
        except TimeoutError:
            raise too_slow() from None
        if self.disconnected:
            raise ClientLeft
        if self._refusal is not None:
            raise self._refusal

    def feed(self, body: bytes) -> None:
        """A piece of the body; what comes after a refusal is dropped."""
        if self.response_complete or self._refusal is not None:
            return
        self._body.append(body)
        self._size += len(body)
        bodies.held += len(body)
        if self._size > settings.MAX_REQUEST_BYTES:
            self._refuse(too_large())
        elif bodies.held > settings.MAX_BUFFERED_BYTES:
            self._refuse(too_many_bodies())

    def _refuse(self, error: ApiError) -> None:
        self._refusal = error
        self._body.clear()
        self._give_back()
        self._wake()

    def _give_back(self) -> None:
        bodies.held -= self._size
        self._size = 0

    def feed_end(self) -> None:
        self._whole = self._refusal is None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _address(self) -> str:
        peer = self._protocol.client
        return client_address(peer[0] if peer else "", self._headers.get(b"x-forwarded-for", b"").decode("latin-1"))

    # --- the answer (apps/gateway/client.py) ------------------------------------------------------------------------
    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Goes out with the first piece of the answer."""
        content = [STATUS_LINE[status]]
        for name, value in (*self._protocol.server_state.default_headers, *headers, *self._cross_origin()):
            if name == b"content-length":
                self._chunked = False
            elif name == b"connection":
                self.keep_alive = False
                continue
            content += (name, b": ", value, b"\r\n")
        if self._chunked:
            content.append(b"transfer-encoding: chunked\r\n")
        content.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self._head = b"".join(content)

    async def send(self, data: bytes, *, last: bool) -> None:
        """Waits while more than the transport's high-water mark is unread."""
        if self.disconnected or self.response_complete:
            return
        if self._chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if last:
                data += b"0\r\n\r\n"
        if self._head:
            data, self._head = self._head + data, b""
        self._protocol.transport.write(data)
        if last:
            self._end()
        elif self._protocol.flow.write_paused:
            try:
                async with asyncio.timeout(settings.CLIENT_IDLE_S):
                    await self._protocol.flow.drain()
            except TimeoutError:
                self._cut_off()

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        if self.disconnected:
            callback()

    def lose(self) -> None:
        """The connection is gone."""
        if self.response_complete or self.disconnected:
            return
        self.disconnected = True
        self._give_back()
        self._wake()
        if self._callback is not None:
            self._callback()

    def _end(self) -> None:
        self.response_complete = True
        transport = self._protocol.transport
        if unread := transport.get_write_buffer_size():
            self._protocol.loop.call_later(settings.CLIENT_IDLE_S, self._expect_progress, unread)
        if not self.keep_alive:
            transport.close()
        self._protocol.on_response_complete()

    def _expect_progress(self, unread: int) -> None:
        """An answer that is complete for us lies here until its client has read it: not for ever."""
        if left := self._protocol.transport.get_write_buffer_size():
            if left >= unread:
                _reset(self._protocol.transport)
            else:
                self._protocol.loop.call_later(settings.CLIENT_IDLE_S, self._expect_progress, left)

    def _cut_off(self) -> None:
        """It has not read for CLIENT_IDLE_S."""
        log.info("a client did not read for %g s: cut off", settings.CLIENT_IDLE_S)
        _reset(self._protocol.transport)
        self.lose()

    def _cross_origin(self) -> list[Header]:
        origin = self._headers.get(b"origin")
        if origin is None:
            return []
        return [(name.lower().encode(), value.encode()) for name, value in answer_headers(origin.decode("latin-1")).items()]


def _reset(transport: asyncio.Transport) -> None:
    """Closes with RST: the kernel, too, forgets at once what nobody has read."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
