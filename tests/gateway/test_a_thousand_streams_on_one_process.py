"""Promise (acceptance 36): a thousand open streams on one process take less than 100 MB above what it needs when idle, and none starves."""

from __future__ import annotations

import asyncio
import resource
import statistics
from collections.abc import Callable, Iterator

import psutil
import pytest

from apps.usage.models import Status
from tests.fakes import FakeBackend
from tests.gateway.calls import ask
from tests.gateway.crowd import Listener
from tests.gateway.customers import new_customer, new_model
from tests.gateway.processes import GatewayProcess

pytestmark = pytest.mark.money

STREAMS = 1_000
MB = 2**20
CHUNKS = 8
CHUNK_EVERY_S = 1.0


@pytest.fixture
def many_files() -> Iterator[Callable[[], None]]:
    """The soft limit of a usual shell while a gateway starts; calling it allows this process what it needs itself."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most == resource.RLIM_INFINITY or most >= 8 * STREAMS, "this machine allows too few open files for this test"
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before, 1024), most))
    yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_a_thousand_open_streams_cost_little_memory_and_none_starves(
    many_files: Callable[[], None], gateways: Callable[..., list[GatewayProcess]], backend: FakeBackend
) -> None:
    customer = new_customer("10")
    model = new_model(backend.base_url)
    [gateway] = gateways(1)
    many_files()
    assert ask(gateway, customer.key, model.name).status == 200
    process = psutil.Process(gateway.pid)
    idle = process.memory_info().rss
    backend.reply(chunks=[f"chunk {number} " for number in range(CHUNKS)], delay_s=CHUNK_EVERY_S)

    async def listen() -> list[float]:
        gate = backend.gate("before_chunk:1")
        listeners = [await Listener.open(gateway, customer.key, model.name) for _ in range(STREAMS)]
        try:
            await asyncio.gather(*(listener.until(b"chunk 0 ") for listener in listeners))
            open_now = process.memory_info().rss
            for listener in listeners:
                listener.pause()
            gate.release()
            await asyncio.gather(*(listener.until(b"chunk 5 ") for listener in listeners))
            flowing = process.memory_info().rss
            await asyncio.gather(*(listener.until(b"data: [DONE]\n\n") for listener in listeners))
            print(f"idle {idle // MB} MB, with {STREAMS} streams {(open_now - idle) / MB:+.1f}, flowing {(flowing - idle) / MB:+.1f}")
            assert max(open_now, flowing) - idle < 100 * MB
            assert all(listener.received.count(b"chunk ") == CHUNKS for listener in listeners)
            return [listener.longest_gap for listener in listeners]
        finally:
            for listener in listeners:
                listener.close()

    gaps = asyncio.run(listen())
    # All are slow when the machine is busy; one that starves is slow alone.
    print(f"gaps between two chunks: {statistics.median(gaps):.2f} s, longest {max(gaps):.2f} s")
    assert max(gaps) < 2 * statistics.median(gaps) + 1
    rows = customer.settled(STREAMS + 1, timeout=30)
    assert {row.status for row in rows} == {Status.COMPLETED}
    assert customer.held == 0
