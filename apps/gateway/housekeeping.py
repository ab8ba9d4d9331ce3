"""What must go on while Valkey is away: settling what journals say, which every process does with those it can reach; and reaping,
probing backends and making partitions ahead, which one of all does, the oldest whose lease is in force. (Not a holder of an advisory
lock: a process that is frozen keeps its session and would keep the lock.)"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError

from apps.catalog.probes import probe_backends
from apps.core.batching import Unavailable
from apps.gateway.database import Link
from apps.gateway.replay import Replay

log = logging.getLogger(__name__)

OLDEST = "SELECT min(id) FROM gateway_process WHERE NOT fenced AND lease_until > clock_timestamp()"
ROUND_S = 1.0
PROBE_EVERY_S = 10.0
PARTITIONS_EVERY_S = 3600.0
PARTITIONS_WITHIN_S = 20.0
MONTHS_AHEAD = 3
REAP_AT_ONCE = 500


class Housekeeping:
    def __init__(self, process_id: Callable[[], int], replay: Replay) -> None:
        self._process_id = process_id
        self._replay = replay
        self._link = Link("housekeeping")
        self._tasks: list[asyncio.Task[None]] = []
        self.leads = False
        self.reaped = 0

    async def make_partitions(self, within_s: float = PARTITIONS_WITHIN_S) -> None:
        """Of the log, ahead. Before anything is charged, by every process: a charge wants its month's. Waits for a twin that makes
        them at the same moment. Raises LockNotAvailable when that takes longer than `within_s`."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                await self._link.rows("SELECT usage_make_partitions(%s::int)", (MONTHS_AHEAD,))
                return
            except psycopg.errors.LockNotAvailable:
                if time.monotonic() >= deadline:
                    raise

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._keep_house(), name="housekeeping"), asyncio.create_task(self._probe(), name="probes")]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._link.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._link.close()

    async def _keep_house(self) -> None:
        next_partitions = 0.0
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                self.leads = await self._is_oldest()
                # First what was promised to clients, then the checkpoints of those who promised nothing.
                await self._replay.run(others=self.leads)
                if not self.leads:
                    continue
                await self._reap()
                if time.monotonic() >= next_partitions:
                    next_partitions = time.monotonic() + PARTITIONS_EVERY_S
                    await self.make_partitions(within_s=0)
            except (Unavailable, psycopg.Error) as error:
                self.leads = False
                log.warning("housekeeping: %s", error)
            except Exception:
                self.leads = False
                log.exception("housekeeping: an error of our own; it goes on")

    async def _probe(self) -> None:
        """A task of its own, in a thread of its own: a backend that hangs must not delay the reaper, nor TLS set-up the streams."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            if self.leads:
                try:
                    await asyncio.to_thread(asyncio.run, probe_backends())
                except DatabaseError as error:
                    log.warning("probes: Postgres cannot be reached (%s)", type(error).__name__)
                except Exception:
                    log.exception("probes: an error of our own; they go on")

    async def _is_oldest(self) -> bool:
        """Asked each round: a process that sleeps or is cut off loses the office with its lease. Two at once do no harm."""
        [[oldest]] = await self._link.rows(OLDEST, ())
        return bool(oldest == self._process_id())

    async def _reap(self) -> None:
        while True:
            [[reaped]] = await self._link.rows("SELECT gateway_reap(%s::float8, %s::int)", (settings.LEASE_S, REAP_AT_ONCE))
            if reaped:
                self.reaped += reaped
                log.warning("reaped %s requests of processes that are gone", reaped)
            if reaped < REAP_AT_ONCE:
                return
