"""While a client is told that we are still there, the backend's connection, its time-outs and what it says stay as they are; and
whoever leaves meanwhile leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apps.gateway.http_exchange import Broken, Exchange, TimedOut
from apps.gateway.keep_alive import KeepAlive

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LONG_S = 20.0  # for what comes at once unless the machine is busy
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PING_EVERY_S = 0.05


class Said:
    """Counts signs of life; each takes `takes_s`. `begun` is set by the first, `twice` by the second."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.count, self.takes_s = 0, takes_s
        self.begun, self.twice = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        (self.begun if self.count == 1 else self.twice).set()
        await asyncio.sleep(self.takes_s)


class Answer:
    """As a BackendAnswer is given back."""

    def __init__(self) -> None:
        self.given_back = False

    def done(self) -> None:
        self.given_back = True


async def exchange_with(script: Script) -> tuple[Exchange, asyncio.Server]:
    """A request whose headers have come; what follows is the script's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await script(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    _, exchange = await asyncio.get_running_loop().create_connection(Exchange, host, port)
    await exchange.request(HEAD, b"", 5)
    return exchange, server


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def test_looking_does_not_end_the_connection() -> None:
    looked = asyncio.Event()

    async def later(writer: asyncio.StreamWriter) -> None:
        await looked.wait()
        writer.write(b"2\r\nhi\r\n0\r\n\r\n")

    exchange, server = await exchange_with(later)
    async with server:
        assert not await exchange.anything_within(0.1)
        assert not await exchange.anything_within(0.0)
        looked.set()
        assert await exchange.anything_within(LONG_S)
        assert await exchange.read(LONG_S) == b"hi"
        assert await exchange.anything_within(LONG_S)
        assert await exchange.read(LONG_S) == b""
        assert exchange.reusable
        exchange.abort()


async def test_an_earlier_deadline_does_not_end_what_only_looks() -> None:
    exchange, server = await exchange_with(silent)
    async with server:
        reading = asyncio.create_task(exchange.read(0.2))
        await asyncio.sleep(0)
        reading.cancel()  # given up long before its own deadline, which stays behind
        assert not await exchange.anything_within(0.4)
        assert not exchange.closed
        async with asyncio.timeout(LONG_S):
            with pytest.raises(TimedOut):
                await exchange.read(0.1)


async def test_a_break_is_noticed_while_looking() -> None:
    async def gone(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    exchange, server = await exchange_with(gone)
    async with server:
        assert await exchange.anything_within(LONG_S)
        with pytest.raises(Broken):
            await exchange.read(LONG_S)


async def test_reading_says_signs_and_keeps_the_time_out() -> None:
    exchange, server = await exchange_with(silent)
    said = Said()
    async with server:
        began = time.monotonic()
        async with asyncio.timeout(LONG_S):  # signs do not put the time-out off
            with pytest.raises(TimedOut):
                await KeepAlive(said).read(exchange, 0.3)
        assert time.monotonic() - began > 0.28
        assert 1 <= said.count <= 6


async def test_time_spent_on_a_slow_client_is_not_the_backends() -> None:
    said = Said(takes_s=1.2)

    async def later(writer: asyncio.StreamWriter) -> None:
        await said.begun.wait()
        writer.write(b"2\r\nhi\r\n")

    exchange, server = await exchange_with(later)
    alive = KeepAlive(said)
    async with server:
        assert await alive.read(exchange, 1.0) == b"hi"
        assert alive.away_s >= 1.2
        exchange.abort()


async def test_a_call_is_waited_for_and_its_outcome_is_passed_on() -> None:
    answer, said = Answer(), Said()

    async def succeed() -> Any:
        await said.twice.wait()
        return answer

    async def fail() -> Any:
        await asyncio.sleep(0.1)
        raise Broken("gone")

    assert await KeepAlive(said).during(succeed()) is answer
    with pytest.raises(Broken):
        await KeepAlive(said).during(fail())


async def test_a_call_is_cancelled_with_whoever_waits_for_it() -> None:
    cleaned = asyncio.Event()

    async def call() -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    said = Said()
    waiting = asyncio.create_task(KeepAlive(said).during(call()))
    await said.twice.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cleaned.wait(), LONG_S)


async def test_an_answer_that_came_too_late_is_given_back() -> None:
    """It came while its client was being told that we are still there, and the client left."""
    answer, said, came = Answer(), Said(takes_s=60), asyncio.Event()

    async def call() -> Any:
        await said.begun.wait()
        came.set()
        return answer

    waiting = asyncio.create_task(KeepAlive(said).during(call()))
    await came.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert answer.given_back


async def test_a_sign_that_fails_ends_the_call() -> None:
    async def broken() -> None:
        raise RuntimeError("of our own")

    async def call() -> Any:
        await asyncio.sleep(60)

    with pytest.raises(RuntimeError):
        await KeepAlive(broken).during(call())
