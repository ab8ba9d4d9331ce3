"""Between the story, which runs on the gateway's loop, and a Django response, which is read in another thread or on another loop.

The story writes into a Bridge as into any Client; Django reads the Answer. Nothing is written far ahead of what was read, and an
answer that is closed, or dropped without being read, is a client that has gone.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum

from django.conf import settings

from apps.gateway.errors import Header

log = logging.getLogger(__name__)

# Bytes after which the story waits for the reader. One more piece may lie on top: what a backend sent at once, 256 KiB and a packet.
AHEAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    headers: Sequence[Header]


class Mark(Enum):
    END = "the answer is complete"
    BROKEN = "the story ended without an end"


class BrokenAnswer(Exception):
    """The story ended in the middle of its answer: the connection must not end like that of a complete one."""


class Bridge:
    """The Client that a story writes to. All but `begin` happens on the gateway's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._items: asyncio.Queue[Head | bytes | Mark] = asyncio.Queue()
        self._ahead = 0  # bytes that lie in the queue
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False
        self._gone = False
        self._callback: Callable[[], None] | None = None

    def begin(self, story: Coroutine[None, None, None]) -> None:
        """Runs the story in a task of its own on the gateway's loop. From any thread."""
        asyncio.run_coroutine_threadsafe(self._run(story), self.loop)

    async def _run(self, story: Coroutine[None, None, None]) -> None:
        try:
            await story
        except Exception:
            log.exception("an error of our own")
        finally:
            if not self._ended:
                self._drain()
                self._items.put_nowait(Mark.BROKEN)

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        await self._put(Head(status, headers))

    async def send(self, data: bytes, *, last: bool) -> None:
        self._ended = self._ended or last
        if data:
            await self._put(data)
        if last:
            await self._put(Mark.END)

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        if self._gone:
            callback()

    async def take(self) -> Head | bytes | Mark:
        """What comes next for the reader."""
        item = await self._items.get()
        if isinstance(item, bytes):
            self._count(-len(item))
        return item

    def leave(self) -> None:
        """The reader has gone. What comes now is dropped, and a story that waits for the reader goes on."""
        if self._gone:
            return
        self._gone = True
        self._drain()
        if self._callback is not None and not self._ended:
            self._callback()

    async def _put(self, item: Head | bytes | Mark) -> None:
        """Waits for the reader, up to CLIENT_IDLE_S. One that does not read for so long has gone, and if it comes back finds that
        its answer broke off."""
        if self._gone:
            return
        try:
            async with asyncio.timeout(settings.CLIENT_IDLE_S):
                await self._room.wait()
        except TimeoutError:
            self.leave()
            item = Mark.BROKEN
        self._items.put_nowait(item)
        if isinstance(item, bytes):
            self._count(len(item))

    def _count(self, more: int) -> None:
        self._ahead += more
        if self._ahead < AHEAD:
            self._room.set()
        else:
            self._room.clear()

    def _drain(self) -> None:
        while not self._items.empty():
            self._items.get_nowait()
        self._ahead = 0
        self._room.set()


class Answer:
    """The reader's end, for any thread or loop. `close` (also by the garbage collector) tells the story that the client has gone."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.close = weakref.finalize(self, bridge.loop.call_soon_threadsafe, bridge.leave)
        self.close.atexit = False

    def next_item(self) -> Future[Head | bytes | Mark]:
        return asyncio.run_coroutine_threadsafe(self._bridge.take(), self._bridge.loop)

    async def head(self) -> Head | None:
        """Status and headers; None when the story broke off before it had any."""
        item = await asyncio.wrap_future(self.next_item())
        return item if isinstance(item, Head) else None

    async def piece(self) -> bytes | None:
        """The next piece of the body, None after the last. Raises BrokenAnswer."""
        return _piece(await asyncio.wrap_future(self.next_item()))


class AsyncPieces:
    """The body for Django under ASGI: a disconnect cancels the reading and closes the answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.close = answer.close

    def __aiter__(self) -> AsyncPieces:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._answer.piece()
        if piece is None:
            raise StopAsyncIteration
        return piece


class BlockingPieces:
    """The body for Django under WSGI, whose servers notice a disconnect when they write."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.close = answer.close

    def __iter__(self) -> BlockingPieces:
        return self

    def __next__(self) -> bytes:
        piece = _piece(self._answer.next_item().result())
        if piece is None:
            raise StopIteration
        return piece


def _piece(item: Head | bytes | Mark) -> bytes | None:
    if item is Mark.END:
        return None
    if not isinstance(item, bytes):
        raise BrokenAnswer("the gateway broke off an answer")
    return item
