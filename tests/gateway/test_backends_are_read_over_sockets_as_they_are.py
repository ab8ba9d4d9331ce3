"""The HTTP client against raw sockets: connections are used again, every framing is read however it is cut, and nothing that a server
does takes unbounded memory or time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.gateway import http_client
from apps.gateway.http_client import HIGH_WATER, Address, Broken, Exchange, HttpClient, TimedOut, Unreachable

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"content-length: 5\r\n\r\nhello"
REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: b\r\ncontent-length: 2\r\n\r\n"


class Server:
    """Accepts connections and holds one conversation on each."""

    def __init__(self, port: int) -> None:
        self.address = Address("127.0.0.1", port, False, "/v1")
        self.connections = 0
        self.requests = 0

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        """The next request, head and body. Raises IncompleteReadError when the client has gone."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.requests += 1
        return head + await reader.readexactly(length)


@asynccontextmanager
async def serving(conversation: Callable[[Server], Conversation]) -> AsyncIterator[Server]:
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # the client went away
            await conversation(server)(reader, writer)
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server = Server(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*pieces: bytes, close: bool = False) -> Callable[[Server], Conversation]:
    """Answers each request with these pieces, one write each."""

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await server.read_request(reader)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if close:
                    return

        return talk

    return conversation


def client() -> HttpClient:
    return HttpClient(guard=lambda ip: None)


async def post(http: HttpClient, server: Server, body: bytes = b"{}", *, timeout: float = 5.0, connect: float = 5.0) -> Exchange:
    head = b"POST /v1/x HTTP/1.1\r\nhost: b\r\ncontent-length: %d\r\n\r\n" % len(body)
    return await http.post(server.address, head, body, connect, timeout, lambda exchange: None)


async def read_all(exchange: Exchange, timeout: float = 5.0) -> bytes:
    pieces = []
    while piece := await exchange.read(timeout):
        pieces.append(piece)
    return b"".join(pieces)


async def whole(http: HttpClient, server: Server) -> bytes:
    exchange = await post(http, server)
    body = await read_all(exchange)
    http.release(server.address, exchange)
    return body


# --- Connections ------------------------------------------------------------------------------------------------------------------


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


# --- Framing ----------------------------------------------------------------------------------------------------------------------

BODY = b"data: one\n\ndata: two\n\n" + "data: drei und fünf\n\n".encode()
CHUNKED = (
    OK
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"b\r\n"
    + BODY[:11]
    + b"\r\n"
    + b"%x;ext=1\r\n" % len(BODY[11:])
    + BODY[11:]
    + b"\r\n0\r\ntrailer: x\r\n\r\n"
)
FRAMINGS = {
    "chunked": (CHUNKED, False),
    "with a length": (OK + b"content-length: %d\r\n\r\n" % len(BODY) + BODY, False),
    "until close": (OK + b"\r\n" + BODY, True),
    "after a 100": (b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + CHUNKED, False),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors])
@given(st.sampled_from(sorted(FRAMINGS)), st.lists(st.integers(1, 200), max_size=6))
def test_an_answer_is_the_same_wherever_it_is_cut(framing, cuts):
    answer, close = FRAMINGS[framing]
    edges = sorted({0, *(cut for cut in cuts if cut < len(answer)), len(answer)})
    pieces = [answer[start:end] for start, end in pairwise(edges)]

    async def scenario() -> bytes:
        http = client()
        async with serving(answering(*pieces, close=close)) as server:
            exchange = await post(http, server)
            assert exchange.status == 200
            body = await read_all(exchange)
            http.close()
            return body

    assert asyncio.run(scenario()) == BODY


async def test_every_byte_of_a_chunked_answer_may_come_by_itself():
    http = client()
    async with serving(answering(*(CHUNKED[i : i + 1] for i in range(len(CHUNKED))))) as server:
        assert await whole(http, server) == BODY
        assert await whole(http, server) == BODY
        assert server.connections == 1
        http.close()


@pytest.mark.parametrize(
    "answer", [CHUNKED[:-8], CHUNKED[:-2], OK + b"content-length: 9\r\n\r\nhello"], ids=["in a chunk", "at the end", "length"]
)
async def test_an_answer_cut_short_is_broken_and_what_came_is_delivered_first(answer):
    http = client()
    async with serving(answering(answer, close=True)) as server:
        exchange = await post(http, server)
        assert await exchange.read(5)
        with pytest.raises(Broken):
            await read_all(exchange)


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", OK + b"content-length: x\r\n\r\n", OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
     OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", b"\x16\x03\x01\x00"],
)  # fmt: skip
async def test_what_is_no_http_is_broken(answer):
    http = client()
    async with serving(answering(answer, close=True)) as server:
        with pytest.raises(Broken):
            await read_all(await post(http, server))


# --- Bounds -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bomb", [b"x: " + b"y" * 70_000, b"\r\n".join(b"h%d: %s" % (i, b"v" * 90) for i in range(800))], ids=["one", "many"]
)
async def test_headers_beyond_the_bound_are_broken(bomb):
    http = client()
    async with serving(answering(OK + bomb + b"\r\n\r\n")) as server:
        with pytest.raises(Broken):
            await post(http, server)


async def test_headers_that_never_end_are_broken():
    http = client()

    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(OK)
            while True:
                writer.write(b"a: b\r\n" * 1_000)
                await writer.drain()

        return talk

    async with serving(conversation) as server:
        with pytest.raises(Broken):
            await post(http, server)


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
