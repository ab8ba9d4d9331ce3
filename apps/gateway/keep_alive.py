"""Signs of life: a client of a stream hears from us every PING_EVERY_S while there is nothing else to say, in dialects that have a word
for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from django.conf import settings

from apps.gateway.backend_call import BackendAnswer
from apps.gateway.http_exchange import Exchange


class KeepAlive:
    """`say` writes a sign of life to the client and waits for it as for any other piece. One task at a time writes: a client that reads
    slowly gets no more signs than it takes, and no piece of the answer overtakes another."""

    def __init__(self, say: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._say = say
        self._clock = asyncio.get_running_loop().time
        self._heard = self._clock()
        self.away_s = 0.0
        """How long the latest `read` was busy with the client instead of waiting for the backend."""

    def heard(self) -> None:
        """The client has just got something."""
        self._heard = self._clock()

    async def during(self, calling: Coroutine[Any, Any, BackendAnswer]) -> BackendAnswer:
        """What the call returns or raises. Cancelled, it leaves no connection behind."""
        task = asyncio.ensure_future(calling)
        try:
            while not (await asyncio.wait({task}, timeout=self._until_due()))[0]:
                await self._speak()
        except BaseException:
            task.cancel()
            task.add_done_callback(_give_back)
            raise
        return task.result()

    async def read(self, exchange: Exchange, patience_s: float) -> bytes:
        """As Exchange.read; time spent on the client does not count against the backend."""
        self.away_s = 0.0
        began = self._clock()
        while True:
            due = self._until_due()
            if due <= 0:
                spoke_at = self._clock()
                await self._speak()
                self.away_s += self._clock() - spoke_at
                continue
            left = patience_s - (self._clock() - began - self.away_s)
            if due >= left or await exchange.anything_within(due):
                return await exchange.read(max(0.0, left))

    def _until_due(self) -> float:
        return self._heard + settings.PING_EVERY_S - self._clock()

    async def _speak(self) -> None:
        await self._say()
        self.heard()


class _Done(Protocol):
    def cancelled(self) -> bool: ...
    def exception(self) -> BaseException | None: ...
    def result(self) -> BackendAnswer: ...


def _give_back(task: _Done) -> None:
    """An answer that nobody waits for any more."""
    if not task.cancelled() and task.exception() is None:
        task.result().done()
