"""Everything one gateway process holds: started before the first request, stopped after the last one."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from django.conf import settings

from apps.catalog.backend_urls import refuse_private_address
from apps.gateway.admission import Admission, AdmissionRequest
from apps.gateway.allowance import Allowance
from apps.gateway.balancer import Balancer
from apps.gateway.catalog_cache import CatalogCache
from apps.gateway.housekeeping import Housekeeping
from apps.gateway.http_client import HttpClient
from apps.gateway.key_states import KeyStates
from apps.gateway.keyring import Keyring
from apps.gateway.leases import Lease
from apps.gateway.presets import Presets
from apps.gateway.replay import Replay
from apps.gateway.safekeeping import Safekeeping
from apps.gateway.settlement import Settlement, Settling
from apps.gateway.text_keeping import TextKeeping
from apps.gateway.tokenizers import Tokenizers

if TYPE_CHECKING:
    from apps.gateway.tracing import Tracing

# How long stopping waits until the last settlements are in Postgres or in the journal, and for holds that are given back.
STOP_S = 10.0
RELEASE_S = 1.5

log = logging.getLogger(__name__)


class Gateway:
    """The parts of the hot path, and their life."""

    def __init__(self) -> None:
        self.catalog = CatalogCache()
        self.keyring = Keyring()
        self.key_states = KeyStates()
        self.presets = Presets()
        self.settling = Settling()
        self.safekeeping = Safekeeping(self.settling)
        self.replay = Replay(self.settling, self.safekeeping)
        self.lease = Lease(lambda: [*self.settling.pending, *self.safekeeping.kept])
        self.admission = Admission(lambda: self.lease.process_id, self._release, self._closed)
        self.texts = TextKeeping()
        self.balancer = Balancer()
        self.http = HttpClient(guard=lambda ip: refuse_private_address(ip, settings.ALLOW_PRIVATE_BACKENDS))
        self.tokenizers = Tokenizers(self.http)
        self.counts = Allowance[int](settings.COUNT_TOKENS_RPM, settings.COUNT_TOKENS_RPM / 60)
        self.housekeeping = Housekeeping(lambda: self.lease.process_id, self.replay)
        self.tracing: Tracing | None = None
        self.started = False
        self.draining = False
        self.ending = False

    def _release(self, item: AdmissionRequest) -> None:
        """A request was admitted whose caller has gone: its hold, slot and tokens go back."""
        self.settling.post(
            Settlement(item.id, item.account_id, item.key_id, item.model_id, item.price_id, item.dialect, item.streamed, logged=False)
        )

    def _closed(self) -> str:
        """Why nothing may be admitted now; empty when it may."""
        if self.ending:
            return "this process is stopping"
        return "the journal is full" if self.safekeeping.full else ""

    async def start(self) -> None:
        """Raises when Postgres cannot be reached: a process that cannot admit must not take requests."""
        await self.housekeeping.make_partitions()
        await self.catalog.start()
        if settings.TRACES:
            self._trace()
        await self.keyring.start()
        await self.key_states.start()
        await self.presets.start()
        await self.settling.start()
        await self.safekeeping.start(await self.replay.start())
        await self.lease.start()
        await self.admission.start()
        await self.texts.start()
        await self.housekeeping.start()
        self.started = True

    def _trace(self) -> None:
        from apps.gateway.tracing import Tracing  # six megabytes and a thread for those alone who collect traces

        self.tracing = Tracing(self.catalog.name_of)
        self.settling.on_ended = self.tracing.record

    def drain(self, seconds: float) -> None:
        """The process was told to stop and accepts nothing new: what is open has so many seconds to end by itself. What has not by
        then ends with an error and is settled. Calling it again changes nothing."""
        if self.draining:
            return
        self.draining = True
        asyncio.get_running_loop().call_later(seconds, self._end_open)

    def _end_open(self) -> None:
        self.ending = True  # nothing is admitted any more
        self.safekeeping.stopping = True
        for request in list(self.lease.open.values()):
            request.stop()

    async def stop(self) -> None:
        """Ends what is open, settles everything, then lets go. The server has stopped accepting before and waited for its requests.

        What Postgres does not take is in the journal when this returns."""
        self.started = False
        clock = asyncio.get_running_loop().time
        begun = clock()
        # Polled: once in a process's life is not worth an event in the hot path.
        while self.lease.open or self.settling.pending:
            self._end_open()
            # What only gives a hold back is not in the journal, and the reaper does the same.
            if clock() - begun > (STOP_S if self.lease.open or self.settling.owed else RELEASE_S):
                break
            await asyncio.sleep(0.02)
        for settlement in self.settling.owed:
            log.error(
                "inference %s could neither be settled nor kept (%s nano-USD): the reaper will end it", settlement.id, settlement.cost
            )
        if self.lease.open:
            log.error("stopping with %s open requests: the reaper will end them", len(self.lease.open))
        await self.texts.stop()
        await self.housekeeping.stop()
        await self.admission.stop()
        await self.settling.stop()
        await self.replay.stop()
        await self.safekeeping.stop()
        await self.lease.stop()
        await self.presets.stop()
        await self.key_states.stop()
        await self.keyring.stop()
        await self.catalog.stop()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.stop)
        self.http.close()

    def ready(self) -> bool:
        """It can admit: its lease is fresh, and it is not about to stop."""
        return (
            self.started
            and not self.draining
            and not self._closed()
            and asyncio.get_running_loop().time() - self.lease.renewed_at < settings.LEASE_S
        )
