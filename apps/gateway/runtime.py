"""Everything one gateway process holds: started before the first request, stopped after the last one."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings

from apps.catalog.backend_urls import refuse_private_address
from apps.gateway.admission import Admission, AdmissionRequest
from apps.gateway.balancer import Balancer
from apps.gateway.catalog_cache import CatalogCache
from apps.gateway.housekeeping import Housekeeping
from apps.gateway.http_client import HttpClient
from apps.gateway.keyring import Keyring
from apps.gateway.leases import Lease
from apps.gateway.settlement import Settlement, Settling

# How long stopping waits for the last settlements.
STOP_S = 10

log = logging.getLogger(__name__)


class Gateway:
    """The parts of the hot path, and their life."""

    def __init__(self) -> None:
        self.catalog = CatalogCache()
        self.keyring = Keyring()
        self.settling = Settling()
        self.lease = Lease(lambda: self.settling.pending)
        self.admission = Admission(lambda: self.lease.process_id, self._release)
        self.balancer = Balancer()
        self.http = HttpClient(guard=lambda ip: refuse_private_address(ip, settings.ALLOW_PRIVATE_BACKENDS))
        self.housekeeping = Housekeeping(lambda: self.lease.process_id)
        self.started = False

    def _release(self, item: AdmissionRequest) -> None:
        """A request was admitted whose caller has gone: its hold, slot and tokens go back."""
        self.settling.post(
            Settlement(item.id, item.account_id, item.key_id, item.model_id, item.price_id, item.dialect, item.streamed, logged=False)
        )

    async def start(self) -> None:
        """Raises when Postgres cannot be reached: a process that cannot admit must not take requests."""
        await self.housekeeping.start()
        await self.catalog.start()
        await self.keyring.start()
        await self.lease.start()
        await self.settling.start()
        await self.admission.start()
        self.started = True

    async def stop(self) -> None:
        """Ends what is open, settles everything, then lets go. The server has stopped accepting before and waited for its requests."""
        self.started = False
        for request in list(self.lease.open.values()):
            request.fence()
        deadline = asyncio.get_running_loop().time() + STOP_S
        # Polled: once in a process's life is not worth an event in the hot path.
        while (self.lease.open or not self.settling.idle) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if self.lease.open or not self.settling.idle:
            log.error("stopping with %s open requests; the reaper will settle them", len(self.lease.open))
        await self.admission.stop()
        await self.settling.stop()
        await self.lease.stop()
        await self.keyring.stop()
        await self.catalog.stop()
        await self.housekeeping.stop()
        self.http.close()

    def ready(self) -> bool:
        """It can admit: its lease is fresh."""
        return self.started and asyncio.get_running_loop().time() - self.lease.renewed_at < settings.LEASE_S
