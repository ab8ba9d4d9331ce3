"""The parts of a gateway process that settle, in the test's own process."""

from __future__ import annotations

import asyncio
from uuid import UUID

from apps.core.ids import uuid7
from apps.gateway.replay import Replay
from apps.gateway.safekeeping import Safekeeping
from apps.gateway.settlement import Settlement, Settling
from tests.gateway.customers import Customer

COST = 1_000


def ending(customer: Customer, cost: int = COST, identifier: UUID | None = None, finish_reason: str = "stop") -> Settlement:
    return Settlement(identifier or uuid7(), customer.account_id, customer.key_id, 1, 1, 1, True, cost=cost, finish_reason=finish_reason)


class Process:
    """The parts of a gateway process that settle. `away` is what the settlements' connection finds in the place of Postgres;
    replaying has a connection of its own, and happens when the test says so."""

    def __init__(self) -> None:
        self.settling = Settling()
        self.keeping = Safekeeping(self.settling)
        self.replay = Replay(self.settling, self.keeping)
        self._good = self.settling._link._setup

    async def __aenter__(self) -> Process:
        self.settling._batcher.start()
        self.folder = await self.replay.start()
        await self.keeping.start(self.folder)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.settling._batcher._task.cancel()  # type: ignore[union-attr]
        await self.settling.stop()
        await self.replay.stop()
        await self.keeping.stop()

    async def away(self) -> None:
        self.settling._link._setup = f"{self._good}; SET search_path = nowhere"
        await self.settling._link.close()

    def back(self) -> None:
        self.settling._link._setup = self._good

    @property
    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.folder.iterdir())

    async def kept(self, count: int) -> None:
        await asyncio.wait_for(self._kept(count), 20)

    async def _kept(self, count: int) -> None:
        while len(self.keeping.kept) < count:  # noqa: ASYNC110  a set has no event
            await asyncio.sleep(0.01)
