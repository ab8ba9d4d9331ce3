"""Promise (acceptance 34): a client that reads slowly or not at all takes a bounded amount of memory and is cut off after the idle
limit; its socket is closed, its backend is left, and what was generated is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import psutil
import pytest

from apps.usage.models import Status
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import ask
from tests.gateway.crowd import Listener
from tests.gateway.customers import new_customer, new_model
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money

CLIENT_IDLE_S = 2
READERS = 8
MB = 2**20
# For each there lie in the process what it has read from the backend (256 kB and a packet), the frames made of it, and their way out.
MOST_EACH = 4 * MB
CHUNKS, CHUNK = 320, 100_000  # 32 MB: more than all the buffers between a backend and a client take


@pytest.fixture
def slow_backend() -> Iterator[FakeBackend]:
    with FakeBackend(send_buffer=64 * 1024) as backend:
        yield backend


def connections(gateway: GatewayProcess) -> int:
    """Sockets that the process has to clients."""
    sockets = psutil.Process(gateway.pid).net_connections("tcp")
    return sum(one.laddr.port == gateway.port and one.status != psutil.CONN_LISTEN for one in sockets)


async def read_to_the_end(listener: Listener) -> None:
    """Raises ConnectionResetError when that is how the answer ends."""
    while await listener.reader.read(2**20):
        pass


@pytest.mark.parametrize("pace", ["not at all", "a little now and then"])
def test_a_stream_that_is_not_read(pace: str, gateways: Callable[..., list[GatewayProcess]], slow_backend: FakeBackend) -> None:
    customer = new_customer("100")
    model = new_model(slow_backend.base_url)
    [gateway] = gateways(1, CLIENT_IDLE_S=str(CLIENT_IDLE_S), BACKEND_TIMEOUT_S="60")
    assert ask(gateway, customer.key, model.name).status == 200
    process = psutil.Process(gateway.pid)
    slow_backend.reply(chunks=["x" * CHUNK] * CHUNKS)

    async def crowd(readers: int) -> int:
        """The most memory that the process took, in bytes."""
        settled = readers + len(await asyncio.to_thread(lambda: customer.inferences))
        listeners = [await Listener.open(gateway, customer.key, model.name, receive_buffer=16 * 1024) for _ in range(readers)]
        slow = [asyncio.create_task(sip(listener)) for listener in listeners] if pace != "not at all" else []
        try:
            most = 0
            while len(await asyncio.to_thread(lambda: customer.inferences)) < settled:
                most = max(most, process.memory_info().rss)
                await asyncio.sleep(0.1)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            for listener in listeners:  # each has what was under way, and then the end of its connection
                with pytest.raises(ConnectionResetError):
                    await read_to_the_end(listener)
            return most
        finally:
            for listener in listeners:
                listener.close()

    async def sip(listener: Listener) -> None:
        while await listener.reader.read(100):  # noqa: ASYNC110  that is its pace
            await asyncio.sleep(0.1)

    idle = asyncio.run(asyncio.wait_for(crowd(1), 60))  # what is loaded at first use is loaded now
    most = asyncio.run(asyncio.wait_for(crowd(1 + READERS), 60))
    print(f"idle {idle // MB} MB, with {READERS} more who do not read {(most - idle) / MB:+.1f}")
    assert most - idle < READERS * MOST_EACH
    slow_backend.wait_for(lambda: slow_backend.open == 0)
    wait_for(lambda: connections(gateway) == 0, what="every socket to be closed")
    rows = customer.settled(3 + READERS)[1:]
    assert {(row.status, row.error_code) for row in rows} == {(Status.CANCELLED, "client_disconnected")}
    assert all(0 < row.completion_tokens < CHUNKS * CHUNK // 4 for row in rows)
    assert customer.held == 0
    assert ask(gateway, customer.key, model.name, max_tokens=1).status == 200


def test_a_whole_answer_that_is_not_read(gateways: Callable[..., list[GatewayProcess]], slow_backend: FakeBackend) -> None:
    """It is complete and charged; nobody has to keep it for ever."""
    customer = new_customer("100")
    model = new_model(slow_backend.base_url)
    [gateway] = gateways(1, CLIENT_IDLE_S=str(CLIENT_IDLE_S), BACKEND_TIMEOUT_S="60")
    slow_backend.reply("x" * (20 * MB))

    async def call() -> None:
        listener = await Listener.open(gateway, customer.key, model.name, receive_buffer=16 * 1024, stream=False)
        await asyncio.to_thread(customer.settled)
        await asyncio.to_thread(wait_for, lambda: connections(gateway) == 0, 15, "the socket to be closed")
        with pytest.raises(ConnectionResetError):
            await read_to_the_end(listener)
        listener.close()

    asyncio.run(asyncio.wait_for(call(), 60))
    [row] = customer.settled()
    assert row.status == Status.COMPLETED
