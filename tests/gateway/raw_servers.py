"""Servers on raw sockets for the HTTP client: each test writes the conversation that its server holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from apps.gateway.http_client import Address, HttpClient
from apps.gateway.http_exchange import Exchange

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
