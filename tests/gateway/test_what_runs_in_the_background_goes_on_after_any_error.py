"""Leases, the reaper, probes and the catalogue's reader log an error that nobody thought of, and go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from apps.gateway import catalog_cache, housekeeping, leases
from apps.gateway.catalog_cache import CatalogCache
from apps.gateway.housekeeping import Housekeeping
from apps.gateway.leases import Lease
from apps.gateway.replay import Replay
from apps.gateway.safekeeping import Safekeeping
from apps.gateway.settlement import Settling


class Surprise(RuntimeError):
    """What no loop expects."""


def surprising(times: int, reached: asyncio.Event) -> Callable[..., Any]:
    """An async function that fails a few times, then lets the test go on."""
    calls = 0

    async def call(*_: object, **__: object) -> bool:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise Surprise
        reached.set()
        await asyncio.Event().wait()
        return True

    return call


async def goes_on(loop: Callable[[], Any], reached: asyncio.Event, caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(loop())
    waiting = asyncio.create_task(reached.wait())
    await asyncio.wait([task, waiting], timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert reached.is_set(), task
    for each in (task, waiting):
        each.cancel()
    await asyncio.gather(task, waiting, return_exceptions=True)
    assert sum(record.exc_info is not None and record.exc_info[0] is Surprise for record in caplog.records) == 3


async def test_the_reaper(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(housekeeping, "ROUND_S", 0)
    reached = asyncio.Event()
    keeper = Housekeeping(lambda: 1, Replay(settling := Settling(), Safekeeping(settling)))
    monkeypatch.setattr(keeper, "_is_oldest", surprising(3, reached))
    await goes_on(keeper._keep_house, reached, caplog)


async def test_the_probes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(housekeeping, "PROBE_EVERY_S", 0)
    reached, calls = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    async def probe_backends() -> None:
        calls.append(1)
        if len(calls) > 3:
            keeper.leads = False
            loop.call_soon_threadsafe(reached.set)
            return
        raise Surprise

    monkeypatch.setattr(housekeeping, "probe_backends", probe_backends)
    keeper = Housekeeping(lambda: 1, Replay(settling := Settling(), Safekeeping(settling)))
    keeper.leads = True
    await goes_on(keeper._probe, reached, caplog)


async def test_the_lease(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0)
    reached = asyncio.Event()
    lease = Lease(list)
    monkeypatch.setattr(lease, "_renew", surprising(3, reached))
    await goes_on(lease._renew_forever, reached, caplog)


async def test_the_catalogue(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(catalog_cache, "RECONNECT_S", 0)
    reached = asyncio.Event()
    monkeypatch.setattr(catalog_cache.psycopg.AsyncConnection, "connect", surprising(3, reached))
    await goes_on(CatalogCache()._follow, reached, caplog)
