"""Whatever a server does on its socket: time-outs end it, memory is bounded, and the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from apps.gateway.http_client import HttpClient
from apps.gateway.http_exchange import HIGH_WATER, Broken, Exchange, TimedOut, Unreachable
from tests.gateway.raw_servers import OK, REQUEST, WHOLE, Conversation, Server, answering, client, post, read_all, serving, whole


@pytest.mark.parametrize(
    "bomb", [b"x: " + b"y" * 70_000, b"\r\n".join(b"h%d: %s" % (i, b"v" * 90) for i in range(800))], ids=["one", "many"]
)
async def test_headers_beyond_the_bound_are_broken(bomb):
    http = client()
    async with serving(answering(OK + bomb + b"\r\n\r\n")) as server:
        with pytest.raises(Broken):
            await post(http, server)


def endless(start: bytes, more: bytes) -> Callable[[Server], Conversation]:
    """A server that says `start`, and then `more` for ever."""

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(start)
            while True:
                writer.write(more)
                await writer.drain()

        return talk

    return conversation


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "more"), [(OK, b"a: b\r\n" * 1_000), (OK + b"a: ", b"b" * 6_000), (b"", CONTINUE * 250)], ids=["headers", "one header", "1xx"]
)
async def test_headers_that_never_end_are_broken(start: bytes, more: bytes):
    async with serving(endless(start, more)) as server:
        with pytest.raises(Broken, match="beyond the bound"):
            await post(client(), server)


async def test_a_trailer_that_never_ends_is_broken():
    chunked = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: "
    async with serving(endless(chunked, b"b" * 6_000)) as server:
        exchange = await post(client(), server)
        with pytest.raises(Broken, match="beyond the bound"):
            await read_all(exchange)


async def test_an_answer_of_any_length_may_follow_the_headers_at_once():
    async with serving(answering(OK + b"content-length: 200000\r\n\r\n" + b"y" * 200_000)) as server:
        assert await whole(client(), server) == b"y" * 200_000


async def test_an_answer_that_nobody_reads_is_not_taken_in():
    http = client()
    stopped, go_on = asyncio.Event(), asyncio.Event()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.transport.set_write_buffer_limits(high=0)
            writer.write(OK + b"\r\n")
            while not stopped.is_set():
                writer.write(b"z" * 65_536)
                try:
                    await asyncio.wait_for(writer.drain(), 0.2)
                except TimeoutError:  # all buffers on the way are full
                    stopped.set()
            await go_on.wait()
            writer.write(b"the end")
            await writer.drain()

        return talk

    async with serving(conversation) as server:
        exchange = await post(http, server)
        await stopped.wait()
        assert exchange._paused
        assert HIGH_WATER < exchange._buffered <= HIGH_WATER + 2**20
        go_on.set()
        assert (await read_all(exchange)).endswith(b"zthe end")


async def test_silence_before_the_headers_times_out():
    http = client()
    async with serving(answering(b"")) as server:
        with pytest.raises(TimedOut):
            await post(http, server, timeout=0.05)


async def test_half_a_head_times_out_too():
    http = client()
    async with serving(answering(OK + b"content-le")) as server:
        with pytest.raises(TimedOut):
            await post(http, server, timeout=0.05)


async def test_silence_in_the_middle_times_out():
    http = client()
    async with serving(answering(OK + b"content-length: 10\r\n\r\nhello")) as server:
        exchange = await post(http, server)
        assert await exchange.read(5) == b"hello"
        with pytest.raises(TimedOut):
            await exchange.read(0.05)


async def test_a_server_that_does_not_read_a_large_request_times_out_and_holds_up_nobody():
    http = client()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.get_running_loop().create_future()

        return talk

    async with serving(conversation) as server:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pytest.raises(TimedOut):
            await post(http, server, body=b"x" * 20_000_000, timeout=0.2)
        ticking.cancel()
        assert ticks >= 3  # the loop went on


async def test_a_refusal_that_comes_before_a_large_request_was_read_is_heard():
    http = client()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
            await asyncio.get_running_loop().create_future()

        return talk

    async with serving(conversation) as server:
        exchange = await post(http, server, body=b"x" * 20_000_000)
        assert (exchange.status, await read_all(exchange)) == (413, b"big")
        exchange.abort()


async def test_a_server_that_closes_under_a_large_request_is_broken():
    http = client()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

        return talk

    async with serving(conversation) as server:
        with pytest.raises(Broken):
            await post(http, server, body=b"x" * 20_000_000)


async def test_nobody_listening_is_unreachable():
    http = client()
    async with serving(answering(WHOLE)) as server:
        pass
    with pytest.raises(Unreachable):
        await post(http, server)


async def test_an_address_that_is_guarded_against_is_unreachable():
    def guard(ip: str) -> None:
        raise ValueError(f"{ip} is private")

    async with serving(answering(WHOLE)) as server:
        with pytest.raises(Unreachable, match="private"):
            await post(HttpClient(guard=guard), server)
        assert server.connections == 0


async def test_the_owner_knows_each_connection_before_the_request_goes_out():
    http = client()
    seen: list[Exchange] = []

    def sending(exchange: Exchange) -> None:
        seen.append(exchange)
        exchange.abort()

    async with serving(answering(WHOLE)) as server:
        with pytest.raises(Broken, match="aborted"):
            await http.post(server.address, REQUEST, b"{}", 5, 5, sending)
        assert (len(seen), server.requests) == (1, 0)
