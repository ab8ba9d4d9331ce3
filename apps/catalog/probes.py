"""Asks every backend whether it is alive, and writes the answer where the gateways read it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time

import httpx
from django.conf import settings
from django.db.models.functions import Now

from apps.catalog.backend_urls import rules
from apps.catalog.models import Backend
from apps.core.crypto import Undecryptable
from apps.core.server_requests import caused_by_tls, open_checked

log = logging.getLogger(__name__)

AT_ONCE = 32
PROBE_S = 5.0


async def probe_backends() -> int:
    """Probe each active backend and record the verdict; returns how many were probed."""
    backends = [backend async for backend in Backend.objects.filter(is_active=True).order_by("pk")]
    room = asyncio.Semaphore(AT_ONCE)
    # One client for all: making its TLS context costs more than a probe does.
    async with httpx.AsyncClient(timeout=PROBE_S, trust_env=False) as client:

        async def probe_and_record(backend: Backend) -> None:
            async with room:
                alive, detail = await probe(client, backend)
            # Only if it still is the backend that was asked.
            asked = Backend.objects.filter(pk=backend.pk, base_url=backend.base_url)
            await asked.aupdate(probe_ok=alive, probed_at=Now(), probe_detail=detail)
            if backend.probe_ok is not None and backend.probe_ok != alive:
                log.warning("Backend %s is %s: %s", backend.pk, "alive again" if alive else "down", detail)

        await asyncio.gather(*(probe_and_record(backend) for backend in backends))
    return len(backends)


async def probe(client: httpx.AsyncClient, backend: Backend) -> tuple[bool, str]:
    """Whether the backend answers `GET /models` below 500 within PROBE_S seconds, and a text for staff without secrets."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(PROBE_S):
            status = await _status(client, backend)
    except Exception as error:
        if (words := trouble(error, PROBE_S)) is None:
            raise
        return False, words
    return status < 500, f"HTTP {status} after {(time.monotonic() - started) * 1000:.0f} ms"


def trouble(error: Exception, patience_s: float) -> str | None:
    """What went wrong with a backend, for staff and without secrets; None for what is no trouble of a backend's."""
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return f"no answer within {patience_s:g} seconds"
        case Undecryptable():
            return "its API key cannot be decrypted: enter it again"
        case socket.gaierror():
            return "its host name cannot be resolved"
        case httpx.ConnectError():
            return "TLS failed: is its certificate valid?" if caused_by_tls(error) else "takes no connections"
        case httpx.HTTPError():
            return f"breaks off or does not speak HTTP ({type(error).__name__})"
        case ValueError():
            return str(error)[:200]
    return None


async def _status(client: httpx.AsyncClient, backend: Backend) -> int:
    """The status of `GET /models`, which is not read: a backend cannot make the prober hold a large answer."""
    headers = {"Authorization": f"Bearer {backend.api_key}"} if backend.api_key else {}
    response = await open_checked(client, "GET", f"{backend.base_url}/models", rules(settings.ALLOW_PRIVATE_BACKENDS), headers)
    await response.aclose()
    return response.status_code
