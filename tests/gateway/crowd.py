"""Many streams at once, each on a socket of its own, in one event loop: who reads, and how fast, is the test's choice."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

from tests.gateway.calls import MESSAGES
from tests.gateway.processes import GatewayProcess


class Listener:
    """One streamed chat completion. `longest_gap` is the longest time between two of its chunks, in seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = bytearray()
        self.longest_gap = 0.0
        self._last = time.monotonic()

    @classmethod
    async def open(cls, gateway: GatewayProcess, key: str, model: str, receive_buffer: int | None = None, **fields: Any) -> Listener:
        """Sends the request; `receive_buffer` in bytes, small to be a slow reader soon."""
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", gateway.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=receive_buffer or 2**16)
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": True, **fields}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        return cls(reader, writer)

    async def until(self, text: bytes, timeout: float = 60.0) -> None:
        """Reads until a text has come. Raises AssertionError when the answer ends before."""
        async with asyncio.timeout(timeout):
            while text not in self.received:
                piece = await self.reader.read(2**16)
                assert piece, f"the answer ended without {text!r}: {bytes(self.received[-300:])!r}"
                self.received += piece
                now = time.monotonic()
                self.longest_gap, self._last = max(self.longest_gap, now - self._last), now

    def pause(self) -> None:
        """The time from here to the next chunk does not count: the test holds it back."""
        self.longest_gap, self._last = 0.0, time.monotonic()

    def close(self) -> None:
        self.writer.transport.abort()
