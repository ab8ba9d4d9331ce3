"""This process's lease, and the checkpoints of what it has open. Once a second, in one statement.

A process that is fenced (its lease ran out while it slept or could not reach Postgres, and the reaper ended its requests) learns it
here, ends those streams and registers anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable
from typing import Protocol
from uuid import UUID

import psycopg
from django.conf import settings

from apps.core.batching import Unavailable
from apps.gateway.database import Link

log = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0


class Open(Protocol):
    """An admitted request as the lease sees it."""

    @property
    def id(self) -> UUID: ...

    def checkpoint(self) -> tuple[int | None, int, int, int]:
        """(backend id, cost in nano-USD, prompt tokens, output tokens) if the request ended now through our fault."""
        ...

    def fence(self) -> None:
        """The hold is gone: end at once."""
        ...

    def stop(self) -> None:
        """The process ends: end at once."""
        ...


class Lease:
    """Registration, renewal, and the set of open requests. `process_id` changes when the process was fenced."""

    def __init__(self, settling: Callable[[], Iterable[UUID]]) -> None:
        """`settling` names the requests that wait for their settlement: they still have a hold, and this process knows them."""
        self._settling = settling
        self.process_id = 0
        self.open: dict[UUID, Open] = {}
        self.fenced = 0
        self._link = Link("lease")
        self._task: asyncio.Task[None] | None = None
        self.renewed_at = 0.0

    async def start(self) -> None:
        await self._register()
        self._task = asyncio.create_task(self._renew_forever(), name="lease")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._link.abort()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._link.close()

    async def _register(self) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}"
        rows = await self._link.rows("SELECT gateway_register(%s::text, %s::float8)", (name, settings.LEASE_S))
        self.process_id = rows[0][0]
        self.renewed_at = asyncio.get_running_loop().time()

    async def _renew_forever(self) -> None:
        loop = asyncio.get_running_loop()
        next_disowning = loop.time()
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew()
                if loop.time() >= next_disowning:
                    next_disowning = loop.time() + settings.LEASE_S
                    await self._disown()
            except (Unavailable, psycopg.Error) as error:  # such as a lock time-out while the reaper works: the next round may do
                log.warning("lease: %s", error)
            except Exception:
                log.exception("lease: an error of our own; renewing goes on")

    async def _disown(self) -> None:
        """Leaves holds that nobody here knows to the reaper."""
        known = [*self.open, *self._settling()]
        [[disowned]] = await self._link.rows(
            "SELECT gateway_disown(%s::bigint, %s::float8, %s::uuid[])", (self.process_id, settings.LEASE_S, known)
        )
        if disowned:
            log.error("%s holds of this process belonged to no request of it: left to the reaper", disowned)

    async def _renew(self) -> None:
        opened = list(self.open.values())
        checkpoints = [o.checkpoint() for o in opened]
        rows = await self._link.rows(
            "SELECT gateway_renew(%s::bigint, %s::float8, %s::uuid[], %s::bigint[], %s::bigint[], %s::int[], %s::int[])",
            (
                self.process_id,
                settings.LEASE_S,
                [o.id for o in opened],
                [c[0] for c in checkpoints],
                [c[1] for c in checkpoints],
                [c[2] for c in checkpoints],
                [c[3] for c in checkpoints],
            ),
        )
        gone = rows[0][0]
        if gone is None:
            log.error("process %s was fenced off: %s open requests end", self.process_id, len(opened))
            self.fenced += 1
            for request in opened:
                request.fence()
            await self._register()
            return
        self.renewed_at = asyncio.get_running_loop().time()
        for identifier in gone:
            # A request that settled while the statement ran is no longer in `open`; what is there has lost its hold.
            if identifier in self.open:
                self.open[identifier].fence()
