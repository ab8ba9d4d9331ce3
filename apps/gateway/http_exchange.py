"""One request and its answer on a connection to a backend: read as it comes, bounded in memory and time, aborted at any moment.

httptools parses; this module keeps the time-outs and the bounds. It reads no faster than its caller consumes.
"""

from __future__ import annotations

import asyncio
import math
from typing import cast

import httptools

# Beyond this much unread answer the socket is not read, so that memory stays bounded and the backend feels the client's pace.
HIGH_WATER = 256 * 1024
# What may come without a byte of the body: headers, interim answers, trailers.
MAX_HEADER_BYTES = 64 * 1024


class BackendError(Exception):
    """The backend did not answer as it should. The text is for our log, never for a client."""


class Unreachable(BackendError):
    """No connection could be made: nothing was sent."""


class TimedOut(BackendError):
    """Connected, but nothing came in time."""


class Broken(BackendError):
    """The connection broke, or what came was not HTTP."""


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
        self._deadline = 0.0  # loop time at which whoever waits gives up
        self._timer: asyncio.TimerHandle | None = None
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._bytes_since_body = 0
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
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.anything_came = True
        if self._parser is None:  # bytes nobody asked for
            self.abort()
            return
        self._bytes_since_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(Broken("the backend tried to switch protocols"))
        except httptools.HttpParserError as error:
            self._fail(Broken(f"not HTTP: {type(error).__name__}"))
        # The parser keeps a header until its end has come and tells nothing of it before: what counts is what came on the wire.
        if self._bytes_since_body > MAX_HEADER_BYTES and not self._complete:
            self._fail(Broken("headers beyond the bound"))
        self._notify()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.reusable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
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
        if not self._complete:
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
        self._bytes_since_body = 0
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
        self._deadline = self._loop.time() + first_byte_timeout_s
        # Not for the body to be written: a backend may refuse it before it has read it.
        while not self._headers_complete:
            if self._error is not None:
                raise self._error
            await self._more()
        if self._error is not None:
            raise self._error

    async def read(self, timeout_s: float) -> bytes:
        """What has come of the body, at least one byte; empty at its end. Raises TimedOut and Broken.

        What came whole before a break is returned before the break is raised."""
        if not self._pieces:
            self._deadline = self._loop.time() + timeout_s
            while not self._pieces:
                if self._complete:
                    return b""
                if self._error is not None:
                    raise self._error
                await self._more()
        return self._take()

    async def anything_within(self, timeout_s: float) -> bool:
        """Whether `read` has anything to say before so many seconds have passed. Leaves the connection as it is."""
        if not self._ready():
            self._deadline = math.inf  # of an earlier wait: it means nothing here
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(timeout_s, self._notify)
            try:
                await self._waiter
            finally:
                timer.cancel()
        return self._ready()

    def _ready(self) -> bool:
        return bool(self._pieces) or self._complete or self._error is not None

    @property
    def complete(self) -> bool:
        """The whole answer has come and was read."""
        return self._complete and not self._pieces

    def discard_rest(self) -> None:
        """Forgets what came after the part that mattered (the end marks of a stream)."""
        if self._complete:
            self._pieces.clear()

    def park(self, now: float) -> None:
        """Waits for its next request from `now` (time.monotonic()) on. Whatever comes before that was not asked for."""
        self._parser = None
        self.parked_at = now

    def _take(self) -> bytes:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._paused and self.transport is not None and not self.closed:
            self._paused = False
            self.transport.resume_reading()
        return data

    def _more(self) -> asyncio.Future[None]:
        """Done when something has come, something has happened, or the deadline is over.

        One timer a connection watches over all waits: a deadline nearly always moves on before it is reached."""
        self._waiter = self._loop.create_future()
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        return self._waiter

    def _check_deadline(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._deadline == math.inf:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        else:
            self._fail(TimedOut("nothing came in time"))
            self._waiter.set_result(None)

    def _fail(self, error: BackendError) -> None:
        if self._error is None and not self._complete:
            self._error = error
        self.reusable = False
        if self.transport is not None and not self.closed:
            self.transport.abort()

    def _notify(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
