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
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PING_EVERY_S = 0.05


class Said:
    """Counts signs of life; each takes `takes_s`."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.count, self.takes_s = 0, takes_s

    async def __call__(self) -> None:
        self.count += 1
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
    async def later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(b"2\r\nhi\r\n0\r\n\r\n")

    exchange, server = await exchange_with(later)
    async with server:
        looked = [await exchange.anything_within(0.1), await exchange.anything_within(0.0), await exchange.anything_within(5)]
        assert looked == [False, False, True]
        assert await exchange.read(1) == b"hi"
        assert await exchange.anything_within(5)
        assert await exchange.read(1) == b""
        assert exchange.reusable
        exchange.abort()


async def test_an_earlier_deadline_does_not_end_what_only_looks() -> None:
    exchange, server = await exchange_with(silent)
    async with server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange.read(0.2), 0.05)  # given up long before its own deadline, which stays behind
        assert not await exchange.anything_within(0.4)
        assert not exchange.closed
        began = time.monotonic()
        with pytest.raises(TimedOut):
            await exchange.read(0.1)
        assert time.monotonic() - began < 0.3


async def test_a_break_is_noticed_while_looking() -> None:
    async def gone(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    exchange, server = await exchange_with(gone)
    async with server:
        assert await exchange.anything_within(5)
        with pytest.raises(Broken):
            await exchange.read(1)


async def test_reading_says_signs_and_keeps_the_time_out() -> None:
    exchange, server = await exchange_with(silent)
    said = Said()
    async with server:
        began = time.monotonic()
        with pytest.raises(TimedOut):
            await KeepAlive(said).read(exchange, 0.3)
        assert 0.28 < time.monotonic() - began < 0.6
        assert 4 <= said.count <= 6


async def test_time_spent_on_a_slow_client_is_not_the_backends() -> None:
    async def later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        writer.write(b"2\r\nhi\r\n")

    exchange, server = await exchange_with(later)
    alive = KeepAlive(Said(takes_s=0.3))
    async with server:
        assert await alive.read(exchange, 0.25) == b"hi"
        assert alive.away_s >= 0.3
        exchange.abort()


async def test_a_call_is_waited_for_and_its_outcome_is_passed_on() -> None:
    answer, said = Answer(), Said()

    async def succeed() -> Any:
        await asyncio.sleep(0.2)
        return answer

    async def fail() -> Any:
        await asyncio.sleep(0.1)
        raise Broken("gone")

    assert await KeepAlive(said).during(succeed()) is answer
    assert said.count >= 2
    with pytest.raises(Broken):
        await KeepAlive(said).during(fail())


async def test_a_call_is_cancelled_with_whoever_waits_for_it() -> None:
    cleaned = asyncio.Event()

    async def call() -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    waiting = asyncio.create_task(KeepAlive(Said()).during(call()))
    await asyncio.sleep(0.12)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cleaned.wait(), 1)


async def test_an_answer_that_came_too_late_is_given_back() -> None:
    """It came while its client was being told that we are still there, and the client left."""
    answer = Answer()

    async def call() -> Any:
        await asyncio.sleep(0.08)
        return answer

    waiting = asyncio.create_task(KeepAlive(Said(takes_s=60)).during(call()))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert answer.given_back


async def test_a_sign_that_fails_ends_the_call() -> None:
    async def broken() -> None:
        raise RuntimeError("of our own")

    answer = Answer()

    async def call() -> Any:
        await asyncio.sleep(0.2)
        return answer

    with pytest.raises(RuntimeError):
        await KeepAlive(broken).during(call())
