"""A client for many answers at once, as lean as Python allows: for each chunk it notes how old it was when it arrived.

The backend writes into each chunk when it sent it; both use the machine's monotonic clock, so that no schedule has to be guessed.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast
from urllib.parse import urlsplit

from benchmarks.contenders import Contender
from benchmarks.loads import Load

Result = TypeVar("Result")

CHUNK = re.compile(rb'"content":"([0-9a-f]{10}) "')
IDENTITY = re.compile(rb"\r\ninference-id: *([0-9a-f-]+)", re.IGNORECASE)
STAMP_MASK = (1 << 40) - 1  # the backend writes the last ten hexadecimal digits of its microseconds


@dataclass
class Arrivals:
    """What came on all streams: of each chunk when (µs) and how old (µs)."""

    at: list[int] = field(default_factory=list)
    age: list[int] = field(default_factory=list)

    def between(self, begin_us: int, end_us: int) -> list[int]:
        """The ages of the chunks that arrived in a stretch of time."""
        return [age for at, age in zip(self.at, self.age, strict=True) if begin_us <= at < end_us]


def now_us() -> int:
    return time.monotonic_ns() // 1000


class Stream(asyncio.Protocol):
    """One request on a connection of its own. `identity` is our Inference-Id, once the head has come; `end` is how an answer ends."""

    def __init__(self, request: bytes, end: bytes, arrivals: Arrivals) -> None:
        self._request, self._end, self._arrivals = request, end, arrivals
        self._rest = b""
        self.status = 0
        self.identity = ""
        self.chunks = 0
        self.finished = False  # its end came
        self.closed = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not say so
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = now_us()
        data = self._rest + data
        if not self.status:
            head, end, body = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = data
                return
            self.status = int(head[9:12])
            found = IDENTITY.search(head)
            self.identity = found[1].decode() if found else ""
            data = body
        read = 0
        for chunk in CHUNK.finditer(data):
            read = chunk.end()
            self.chunks += 1
            self._arrivals.at.append(now)
            self._arrivals.age.append((now - int(chunk[1], 16)) & STAMP_MASK)
        if data.find(self._end, read) >= 0:
            self.finished = True
            self.close()
        self._rest = data[read:][-512:]  # a chunk may be cut in two

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def open_stream(contender: Contender, load: Load, arrivals: Arrivals) -> Stream:
    """Connects and asks. Raises OSError."""
    url = urlsplit(contender.url(load))
    host, port = url.hostname or "", url.port or 80
    body = load.body()
    request = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {contender.tokens[0]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
    end = b"data: [DONE]" if load.streamed else b'"total_tokens"'
    _, stream = await asyncio.get_running_loop().create_connection(lambda: Stream(request, end, arrivals), host, port)
    return stream


@asynccontextmanager
async def opened(contender: Contender, load: Load, count: int, per_second: float, arrivals: Arrivals) -> AsyncIterator[list[Stream]]:
    """`count` streams, opened at an even rate, so that their chunks are spread evenly too; those still open are closed at the end."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    streams: list[Stream] = []
    try:
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / per_second - loop.time()))
            streams.append(await open_stream(contender, load, arrivals))
        yield streams
    finally:
        for stream in streams:
            stream.close()


def run(main: Callable[[], Coroutine[None, None, Result]]) -> Result:
    """Run a coroutine function on uvloop, without pauses for collecting garbage, which would count as the gateway's delays."""
    import uvloop

    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main())
    finally:
        gc.enable()
