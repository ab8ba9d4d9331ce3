"""A thin HTTP/1.1 client for backends: one request at a time on a connection, answers read as they come, abort at any moment.

httptools parses; this module keeps the connections, the time-outs and the bounds. It never follows redirects, never asks for
compression, and reads no faster than its caller consumes.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

# A parked connection is used again only while its server will not have closed it (uvicorn's default is 5 s).
KEEP_IDLE_S = 4.0
# Beyond this much unread answer the socket is not read, so that memory stays bounded and the backend feels the client's pace.
HIGH_WATER = 256 * 1024
MAX_HEADER_BYTES = 64 * 1024


class BackendError(Exception):
    """The backend did not answer as it should. The text is for our log, never for a client."""


class Unreachable(BackendError):
    """No connection could be made: nothing was sent."""


class TimedOut(BackendError):
    """Connected, but nothing came in time."""


class Broken(BackendError):
    """The connection broke, or what came was not HTTP."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a backend listens. `path` is what stands before `/chat/completions`."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Exchange(asyncio.Protocol):
    """A connection, and the answer that is being read from it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable = False
        self.closed = False
        self.parked_at = 0.0
        self.aborted = False
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._headers_complete = False
        self._complete = False
        self._bounded = False
        self._error: BackendError | None = None
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self.anything_came = False

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class

    def data_received(self, data: bytes) -> None:
        self.anything_came = True
        if self._parser is None:  # bytes nobody asked for
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(Broken("the backend tried to switch protocols"))
        except httptools.HttpParserError as error:
            self._fail(Broken(f"not HTTP: {type(error).__name__}"))
        self._notify()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.reusable = False
        if not self._complete and self._error is None:
            if self._headers_complete and not self._bounded and exc is None:
                self._complete = True  # an answer without a length ends with its connection (RFC 9112 §6.3)
            else:
                self._error = Broken("the connection was closed" if exc is None else f"the connection broke ({type(exc).__name__})")
        self._notify()

    # --- httptools callbacks ----------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self._complete:
            # A second answer to one request: every later answer on this connection would be somebody else's.
            self._fail(Broken("an answer that nobody asked for"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._complete:
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._fail(Broken("headers beyond the bound"))
            return
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self._complete:
            return
        if 100 <= self._parser.get_status_code() < 200:
            self.headers.clear()
            return
        self.status = self._parser.get_status_code()
        self._headers_complete = True
        self._bounded = b"content-length" in self.headers or b"transfer-encoding" in self.headers or self.status in (204, 304)

    def on_body(self, data: bytes) -> None:
        if self._complete:
            return
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered > HIGH_WATER and not self._paused and self.transport is not None and not self.closed:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headers_complete and not self._complete:
            self._complete = True
            self.reusable = bool(self._parser and self._parser.should_keep_alive()) and not self.closed

    # --- for the caller ---------------------------------------------------------------------------------------------
    def abort(self) -> None:
        """Closes at once; whoever reads gets Broken."""
        self.aborted = True
        self._fail(Broken("aborted"))
        self._notify()

    async def request(self, head: bytes, body: bytes, first_byte_timeout_s: float) -> None:
        """Sends a request and waits for the answer's status and headers. Raises TimedOut and Broken."""
        assert self.transport is not None
        if self.aborted:
            raise Broken("aborted")
        self._reset()
        self._parser = httptools.HttpResponseParser(self)
        self.transport.writelines((head, body))
        deadline = asyncio.get_running_loop().time() + first_byte_timeout_s
        # Not for the body to be written: a backend may refuse it before it has read it.
        while not self._headers_complete:
            if self._error is not None:
                raise self._error
            await self._wait_for_data(deadline)
        if self._error is not None:
            raise self._error

    async def read(self, timeout_s: float) -> bytes:
        """What has come of the body, at least one byte; empty at its end. Raises TimedOut and Broken.

        What came whole before a break is returned before the break is raised."""
        if not self._pieces:
            if self._complete:
                return b""
            if self._error is not None:
                raise self._error
            deadline = asyncio.get_running_loop().time() + timeout_s
            while not self._pieces and not self._complete and self._error is None:
                await self._wait_for_data(deadline)
            return await self.read(timeout_s) if not self._pieces else self._take()
        return self._take()

    @property
    def complete(self) -> bool:
        """The whole answer has come and was read."""
        return self._complete and not self._pieces

    def discard_rest(self) -> None:
        """Forgets what came after the part that mattered (the end marks of a stream)."""
        if self._complete:
            self._pieces.clear()

    def park(self) -> None:
        """Waits for its next request. Whatever comes before that was not asked for."""
        self._parser = None
        self.parked_at = time.monotonic()

    def _take(self) -> bytes:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._paused and self.transport is not None and not self.closed:
            self._paused = False
            self.transport.resume_reading()
        return data

    async def _wait_for_data(self, deadline: float) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._wait(self._waiter, deadline)
        finally:
            self._waiter = None

    async def _wait(self, future: asyncio.Future[None], deadline: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_at(deadline, self._time_out, future)
        try:
            await future
        finally:
            timer.cancel()

    def _time_out(self, future: asyncio.Future[None]) -> None:
        if not future.done():
            self._fail(TimedOut("nothing came in time"))
            future.set_result(None)

    def _fail(self, error: BackendError) -> None:
        if self._error is None and not self._complete:
            self._error = error
        self.reusable = False
        if self.transport is not None and not self.closed:
            self.transport.abort()

    def _notify(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


# Raises ValueError for an IP address that may not be connected to.
AddressGuard = Callable[[str], None]


@dataclass(slots=True)
class HttpClient:
    """Opens connections and keeps idle ones. `guard` sees every IP address before it is connected to."""

    guard: AddressGuard
    _idle: dict[Address, deque[Exchange]] = field(default_factory=dict)  # the longest idle first
    _tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def post(
        self,
        address: Address,
        head: bytes,
        body: bytes,
        connect_timeout_s: float,
        first_byte_timeout_s: float,
        sending: Callable[[Exchange], None],
    ) -> Exchange:
        """Sends a request and returns when the answer's headers are there; `release` the exchange afterwards.

        `sending` is told each connection just before the request goes out on it, so that its owner can abort it. Raises Unreachable,
        TimedOut and Broken. A parked connection that its server has closed meanwhile is replaced by a new one."""
        while (exchange := self._parked(address)) is not None:
            sending(exchange)
            try:
                await exchange.request(head, body, first_byte_timeout_s)
                return exchange
            except Broken:
                if exchange.anything_came or exchange.aborted:
                    raise
            except BaseException:
                exchange.abort()
                raise
        exchange = await self._connect(address, connect_timeout_s)
        sending(exchange)
        try:
            await exchange.request(head, body, first_byte_timeout_s)
        except BaseException:
            exchange.abort()
            raise
        return exchange

    def release(self, address: Address, exchange: Exchange) -> None:
        """Keeps the connection for the next request if its answer was read whole, and closes it otherwise."""
        exchange.discard_rest()
        if exchange.complete and exchange.reusable and not exchange.closed:
            exchange.park()
            idle = self._idle.setdefault(address, deque())
            idle.append(exchange)
            while idle and not self._fresh(idle[0]):  # the latest is used first: those of an earlier rush would stay for ever
                idle.popleft().abort()
        else:
            exchange.abort()

    @staticmethod
    def _fresh(exchange: Exchange) -> bool:
        return not exchange.closed and time.monotonic() - exchange.parked_at < KEEP_IDLE_S

    def close(self) -> None:
        for exchanges in self._idle.values():
            for exchange in exchanges:
                exchange.abort()
        self._idle.clear()

    def _parked(self, address: Address) -> Exchange | None:
        exchanges = self._idle.get(address)
        while exchanges:
            exchange = exchanges.pop()
            if self._fresh(exchange):
                return exchange
            exchange.abort()
        return None

    async def _connect(self, address: Address, timeout_s: float) -> Exchange:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                found = await loop.getaddrinfo(address.host, address.port, type=1)
                refused = "no address"
                for *_, place in found:
                    ip = str(place[0])
                    try:
                        # Judged by the address that is connected to: a name that changes its mind after a check gains nothing.
                        self.guard(ip)
                        _, exchange = await loop.create_connection(
                            Exchange,
                            ip,
                            address.port,
                            ssl=self._tls if address.tls else None,
                            server_hostname=address.host if address.tls else None,
                        )
                        return exchange
                    except (OSError, ValueError) as error:
                        refused = f"{type(error).__name__}: {error}"
                raise Unreachable(refused)
        except TimeoutError:
            raise Unreachable("connecting took too long") from None
        except OSError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from None
