"""Natural batching: whatever waits while a round trip is under way goes together in the next one. No timers, no sizes to tune.

A lone item waits for one round trip; under load the cost of a round trip is shared. One bad item never fails its batch: when a
batch of several is refused, its items are tried one by one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

# How long an item waits that was asked to come again: long enough not to spin, short enough not to be felt.
REQUEUE_S = 0.02


class Unavailable(Exception):
    """The other side cannot be reached now; nothing is known to be wrong with the items."""


class Batcher(Generic[Item, Result]):
    """Runs `call` over everything queued, one call at a time.

    `call` gets 1 to `most` items and returns one result for each in the same order, or None in the place of an item that is to
    be queued again. It raises Unavailable when the batch could not be tried: then `retry` says whether its items wait for the
    next try (settlements) or their callers get the error (admissions). Any other error is the items' own.
    With `patience_s` a caller gets Unavailable after so many seconds; what comes of its item after all is orphaned.
    `orphaned(item, result)` is called for an item whose caller was cancelled while it was under way: give back what it got.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[list[Item]], Awaitable[Sequence[Result | None]]],
        *,
        most: int = 128,
        retry: bool = False,
        patience_s: float | None = None,
        orphaned: Callable[[Item, Result], None] | None = None,
    ) -> None:
        self.name = name
        self._call = call
        self._most = most
        self._retry = retry
        self._patience_s = patience_s
        self._waiting: deque[tuple[float, asyncio.Future[Result]]] = deque()  # (until when, who), with patience only
        self._patience: asyncio.TimerHandle | None = None  # one for all who wait
        self._orphaned = orphaned
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: list[tuple[Item, asyncio.Future[Result]]] = []
        self._silent_until = 0.0
        self._asked_again = 0  # items that wait out REQUEUE_S
        self._stopped = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        return not self._queue and not self._under_way and not self._asked_again

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"batcher {self.name}")

    async def stop(self) -> None:
        """Ends the loop; callers that still wait get Unavailable, and so does whoever comes later."""
        self._stopped = True
        if self._patience is not None:
            self._patience.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        waiting = [*self._under_way, *self._queue]
        self._under_way = []
        self._queue.clear()
        for _, future in waiting:
            _refuse(future, _stopping())

    def post(self, item: Item) -> asyncio.Future[Result]:
        """Queues an item; the future is its result. Not a coroutine: nothing can be cancelled between the call and the queue."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if self._stopped:
            future.set_exception(_stopping())
        else:
            self._queue.append((item, future))
            self._wake.set()
            if self._patience_s is not None:
                self._be_patient(future, self._patience_s)
        return future

    def _be_patient(self, future: asyncio.Future[Result], patience_s: float) -> None:
        """All wait equally long, so that whoever came first gives up first."""
        loop = future.get_loop()
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        self._waiting.append((loop.time() + patience_s, future))
        if self._patience is None:
            self._patience = loop.call_later(patience_s, self._lose_patience)

    def _lose_patience(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= now):
            _refuse(self._waiting.popleft()[1], Unavailable(f"no answer within {self._patience_s} s"))
        self._patience = loop.call_at(self._waiting[0][0], self._lose_patience) if self._waiting else None

    async def submit(self, item: Item) -> Result:
        """The item's result. Raises what `call` raised for it. Cancelling the caller takes the item back: it is dropped if it was
        not sent yet and handed to `orphaned` otherwise, also when its result had come but was not fetched yet."""
        future = self.post(item)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None and self._orphaned is not None:
                self._orphaned(item, future.result())
            raise

    async def _run(self) -> None:
        pause = 0.05
        while True:
            await self._wake.wait()
            self._under_way = batch = self._take()
            if not batch:
                self._wake.clear()
                continue
            try:
                await self._try(batch)
                pause = 0.05
            except Unavailable as error:
                self._say(error)
                if self._retry:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 1.0)
                    self._queue.extendleft(reversed(batch))
                else:
                    for _, future in batch:
                        _refuse(future, error)
            self._under_way = []  # not when cancelled: `stop` answers those

    def _say(self, error: Unavailable) -> None:
        """In the log, once a second at most: under load there may be a hundred vain calls a second."""
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._silent_until = now + 1.0
            log.warning("%s: %s", self.name, error)

    def _requeue(self, item: Item, future: asyncio.Future[Result]) -> None:
        self._asked_again -= 1
        if self._stopped:
            _refuse(future, _stopping())
        else:
            self._queue.append((item, future))
            self._wake.set()

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._queue and len(batch) < self._most:
            entry = self._queue.popleft()
            if not entry[1].done():  # cancelled before it was sent: it never happened; answered: a part of its batch was tried
                batch.append(entry)
        return batch

    async def _try(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._call([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for {len(batch)} items")
        except Unavailable:
            raise
        except Exception as error:
            if len(batch) > 1:
                for entry in batch:
                    await self._try([entry])
                return
            log.exception("%s: an item was refused", self.name)
            _refuse(batch[0][1], error)
            return
        for (item, future), result in zip(batch, results, strict=True):
            if result is None:
                self._asked_again += 1
                asyncio.get_running_loop().call_later(REQUEUE_S, self._requeue, item, future)
            elif not future.done():
                future.set_result(result)
            elif self._orphaned is not None:
                self._orphaned(item, result)


def _stopping() -> Unavailable:
    return Unavailable("this process is stopping")


def _refuse(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
