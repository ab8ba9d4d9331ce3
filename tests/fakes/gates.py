"""Gates: named points of an answer where the backend waits until the test lets it go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from tests.fakes.records import Record


class Gate:
    """Holds every answer that comes to the point `name` (and matches `when`) until it is released.

    Answers wait in the backend's event loop, tests call from any thread. `changed` is the backend's condition variable.
    """

    def __init__(
        self, name: str, when: Callable[[Record], bool] | None, changed: threading.Condition, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name = name
        self.reached = 0
        """How many answers have come to this point so far, waiting or passed."""
        self._when = when
        self._changed = changed
        self._loop = loop
        self._permits = 0
        self._open = False
        self._waiting: list[asyncio.Future[None]] = []

    def release(self, count: int | None = None) -> None:
        """Let `count` answers pass (those waiting first, then later ones); with None open the gate for good."""
        self._loop.call_soon_threadsafe(self._release, count)

    def wait_reached(self, count: int = 1, timeout: float = 30.0) -> None:
        """Block until `count` answers have come to the gate; raises TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.reached >= count, timeout):
                raise TimeoutError(f"gate {self.name!r}: {self.reached} of {count} answers came within {timeout} s")

    async def wait_reached_async(self, count: int = 1, timeout: float = 30.0) -> None:
        """`wait_reached` for a test whose event loop must go on running."""
        await asyncio.to_thread(self.wait_reached, count, timeout)

    async def _pass(self, record: Record) -> None:
        """Called by a connection in the backend's loop."""
        if self._when is not None and not self._when(record):
            return
        with self._changed:
            self.reached += 1
            self._changed.notify_all()
        if self._open:
            return
        if self._permits:
            self._permits -= 1
            return
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _release(self, count: int | None) -> None:
        if count is None:
            self._open = True
            count = len(self._waiting)
        else:
            self._permits += max(0, count - len(self._waiting))
        for waiter in self._waiting[:count]:
            if not waiter.done():
                waiter.set_result(None)
        del self._waiting[:count]
