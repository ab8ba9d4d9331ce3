"""The runs of this process, and how many an account may have."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from uuid import UUID

from apps.gateway.runtime import Gateway
from apps.playground.errors import Refused
from apps.playground.models import Message
from apps.playground.running import Run

RUNS = 8  # of an account at a time
RUNS_A_MINUTE = 60
FINISH_S = 12.0  # to keep what they said, once the gateway has ended them


class Registry:
    def __init__(self) -> None:
        self._runs: dict[UUID, Run] = {}
        self._of_account: defaultdict[int, set[UUID]] = defaultdict(set)
        self._begun: defaultdict[int, deque[float]] = defaultdict(deque)
        self._loop: asyncio.AbstractEventLoop | None = None

    def find(self, run: UUID, user_id: int, account_id: int) -> Run | None:
        """The run, if it is theirs."""
        found = self._runs.get(run)
        return found if found is not None and (found.user_id, found.account_id) == (user_id, account_id) else None

    def take_place(self, run: UUID, account_id: int) -> None:
        """A place among the account's runs, to be kept by `begin` or given back by `give_back`. Raises Refused where there is none."""
        places, begun = self._of_account[account_id], self._begun[account_id]
        if len(places) >= RUNS:
            raise Refused(
                f"{len(places)} answers are running already, which is as many as there may be: wait for one to end, or stop one.",
                code="too_many_runs",
                retry_after_s=1,
            )
        now = time.monotonic()
        while begun and begun[0] <= now - 60:
            begun.popleft()
        if len(begun) >= RUNS_A_MINUTE:
            wait = max(1, round(begun[0] + 60 - now))
            raise Refused(
                f"That was the {RUNS_A_MINUTE}th answer within a minute: wait {wait} s.", code="too_many_runs", retry_after_s=wait
            )
        begun.append(now)
        places.add(run)

    def give_back(self, run: UUID, account_id: int) -> None:
        places = self._of_account[account_id]
        places.discard(run)
        if not places:
            del self._of_account[account_id]
        for account in [account for account, begun in self._begun.items() if not begun or begun[-1] <= time.monotonic() - 60]:
            del self._begun[account]

    def begin(self, gateway: Gateway, answer: Message, body: bytes, user_id: int, account_id: int) -> Run:
        self._loop = asyncio.get_running_loop()
        run = self._runs[answer.id] = Run(gateway, answer, body, user_id, account_id, self._over)
        return run

    def _over(self, run: Run) -> None:
        del self._runs[run.id]
        self.give_back(run.id, run.account_id)

    def stop(self, ids: Iterable[UUID]) -> None:
        """From any thread: these were deleted."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stop, list(ids))

    def _stop(self, ids: list[UUID]) -> None:
        for identifier in ids:
            if identifier in self._runs:
                self._runs[identifier].stop()

    async def finish(self, seconds: float = FINISH_S) -> None:
        """The process ends: waits until what runs has ended and what it said is kept, so long at most."""
        tasks = [run.task for run in self._runs.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


registry = Registry()
