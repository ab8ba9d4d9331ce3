"""The HTTP client's connections, over raw sockets: kept and used again while that is safe, replaced when it is not, and never mixed up."""

from __future__ import annotations

import asyncio

import pytest

from apps.gateway import http_client
from apps.gateway.http_exchange import Broken
from tests.gateway.raw_servers import OK, WHOLE, Conversation, Server, answering, client, post, read_all, serving, whole


async def test_a_connection_is_used_again():
    http = client()
    async with serving(answering(WHOLE)) as server:
        assert [await whole(http, server) for _ in range(5)] == [b"hello"] * 5
        assert (server.connections, server.requests) == (1, 5)
        http.close()


async def test_requests_at_the_same_time_have_connections_of_their_own():
    http = client()
    async with serving(answering(WHOLE)) as server:
        assert await asyncio.gather(*(whole(http, server) for _ in range(10))) == [b"hello"] * 10
        assert server.connections == 10
        http.close()


@pytest.mark.parametrize(
    "answer", [OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello", b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello"]
)
async def test_a_connection_that_its_server_will_close_is_not_kept(answer):
    http = client()
    async with serving(answering(answer, close=True)) as server:
        assert [await whole(http, server) for _ in range(2)] == [b"hello"] * 2
        assert server.connections == 2


async def test_a_kept_connection_that_its_server_has_closed_is_replaced():
    http = client()
    async with serving(answering(WHOLE, close=True)) as server:
        for _ in range(3):
            assert await whole(http, server) == b"hello"
        assert server.connections == 3


async def test_a_kept_connection_that_breaks_under_the_request_is_replaced():
    """The server closes it at the same moment: the request goes out and nothing comes."""
    http = client()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(WHOLE)
            await server.read_request(reader)
            if server.connections > 1:
                writer.write(WHOLE)
                await reader.read()

        return talk

    async with serving(conversation) as server:
        assert await whole(http, server) == b"hello"
        exchange = await post(http, server)  # read on the first connection, answered on the second as its first
        assert await read_all(exchange) == b"hello"
        assert server.connections == 2
        http.close()


async def test_a_new_connection_that_breaks_is_not_tried_again():
    http = client()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)

        return talk

    async with serving(conversation) as server:
        with pytest.raises(Broken):
            await post(http, server)
        assert (server.connections, server.requests) == (1, 1)


async def test_a_connection_idle_for_too_long_is_not_used(monkeypatch):
    http = client()
    async with serving(answering(WHOLE)) as server:
        await whole(http, server)
        monkeypatch.setattr(http_client, "KEEP_IDLE_S", 0.0)
        await whole(http, server)
        assert server.connections == 2
        http.close()


async def test_what_comes_unasked_on_a_kept_connection_is_never_taken_for_an_answer():
    http = client()
    unasked = asyncio.Event()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            number = server.connections
            await server.read_request(reader)
            writer.write(WHOLE)
            if number == 1:
                await unasked.wait()
                writer.write(OK + b"content-length: 4\r\n\r\nevil")
            await server.read_request(reader)
            writer.write(WHOLE)

        return talk

    async with serving(conversation) as server:
        exchange = await post(http, server)
        assert await read_all(exchange) == b"hello"
        http.release(server.address, exchange)
        unasked.set()
        while not exchange.closed:  # noqa: ASYNC110 - the client under test has no event for this
            await asyncio.sleep(0)
        assert await whole(http, server) == b"hello"
        assert server.connections == 2
        http.close()


async def test_an_answer_that_was_not_read_to_its_end_closes_its_connection():
    http = client()
    async with serving(answering(OK + b"content-length: 10\r\n\r\nhello")) as server:
        exchange = await post(http, server)
        assert await exchange.read(5) == b"hello"
        http.release(server.address, exchange)
        assert exchange.aborted
        assert http._idle.get(server.address, []) == []


async def test_an_abort_wakes_whoever_reads():
    http = client()
    async with serving(answering(OK + b"content-length: 10\r\n\r\n")) as server:
        exchange = await post(http, server)
        reading = asyncio.create_task(exchange.read(5))
        await asyncio.sleep(0)
        exchange.abort()
        with pytest.raises(Broken, match="aborted"):
            await reading
