"""One client connection of the fake backend: reads requests with httptools, writes answers byte by byte as scripted."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import httptools

from tests.fakes.actions import AnswerEnded
from tests.fakes.answers import Answer
from tests.fakes.records import Record

if TYPE_CHECKING:
    from tests.fakes.backend import FakeBackend


class Connection(asyncio.Protocol):
    """Lives in the backend's event loop; requests on one connection are answered one after another."""

    def __init__(self, backend: FakeBackend, number: int) -> None:
        self.backend = backend
        self.number = number
        self.record: Record | None = None
        self._task: asyncio.Task[None] | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended_here = False

    @property
    def idle(self) -> bool:
        """Whether no answer is under way."""
        return self._task is None or self._task.done()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # The listening socket is ours, so asyncio has not done this; Nagle's algorithm would add 40 ms to each answer.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # With no buffer of our own, `bytes_sent` is what the kernel took, so a client that does not read is seen as such.
        transport.set_write_buffer_limits(high=0)
        self.backend._connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.backend._failed(error)
            self.close()

    def eof_received(self) -> None:
        # No HTTP client half-closes on purpose: the end of its side is the end of its interest.
        self._client_gone()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._client_gone()
        self.backend._disconnected(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # What httptools calls

    def on_message_begin(self) -> None:
        self._target, self._body = b"", bytearray()
        self._headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in self._headers):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if not self.idle:
            self.backend._failed(RuntimeError("a client sent a request before the answer to its last one on the same connection"))
            return
        headers: dict[str, str] = {}
        for name, value in self._headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        path, _, query = self._target.decode("latin-1").partition("?")
        method = self._parser.get_method().decode()
        self.record = Record(self.number, method, path, query, headers, self._headers, bytes(self._body))
        self.backend._received(self.record)
        self._task = asyncio.get_running_loop().create_task(self._serve(self.record, self._parser.should_keep_alive()))

    # Answering

    async def _serve(self, record: Record, keep_alive: bool) -> None:
        keep = False
        try:
            answer = self.backend._answer(record)
            record.status = answer.status
            await self._play(answer, record)
            keep = keep_alive and answer.framing != "close" and record.headers.get("connection") != "close"
        except AnswerEnded:
            keep = False  # as scripted
        except Exception as error:
            self.backend._failed(error)
        finally:
            if not keep:
                self.close()
            self.backend._finished(record)

    async def _play(self, answer: Answer, record: Record) -> None:
        """Write the answer from cut to cut, stopping at each point for its pause, gates and action."""
        stops: dict[int, list[str]] = {}
        for name in ("before_body", *answer.marks, "before_end"):
            stops.setdefault(answer.offset(name), []).append(name)
        actions = {answer.offset(point): action for point, action in answer.at.items() if point != "before_headers"}
        offsets = sorted({*stops, *actions, *answer.pauses})

        async def stop(offset: int) -> None:
            if offset in answer.pauses:
                await asyncio.sleep(answer.pauses[offset])
            for name in stops.get(offset, ()):
                await self.backend._pass_gates(name, record)
            if offset in actions:
                await actions[offset](self)

        await self.backend._pass_gates("before_headers", record)
        if "before_headers" in answer.at:
            await answer.at["before_headers"](self)
        await self._write(answer.head_bytes())
        chunked = answer.framing == "chunked"
        try:
            end = len(answer.body)
            for start, cut in pairwise(sorted({0, end, *(cut for cut in answer.cuts if 0 < cut < end)})):
                inside = [offset for offset in offsets if start < offset < cut]
                if start in offsets:
                    await stop(start)
                opening, position = (b"%x\r\n" % (cut - start) if chunked else b""), start
                for offset in inside:
                    await self._write(opening + answer.body[position:offset], record, offset - position)
                    opening, position = b"", offset
                    await stop(offset)
                await self._write(opening + answer.body[position:cut] + (b"\r\n" if chunked else b""), record, cut - position)
                with self.backend.changed:
                    record.chunks_sent += 1
                    self.backend.changed.notify_all()
                await asyncio.sleep(answer.piece_delay_s)
            await stop(end)
        except AnswerEnded as ended:
            if not (ended.clean and chunked):
                raise
        if chunked:
            await self._write(b"0\r\n\r\n")

    async def _write(self, data: bytes, record: Record | None = None, body_bytes: int = 0) -> None:
        """Hand `data` to the kernel; returns when it took all of it."""
        self.transport.write(data)
        await self._writable.wait()
        if record is not None:
            with self.backend.changed:
                record.bytes_sent += body_bytes
                if record.first_byte_at is None:
                    record.first_byte_at = time.monotonic()
                self.backend.changed.notify_all()

    # Ways to end

    def reset(self) -> None:
        """Close with RST."""
        self._ended_here = True
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def close(self) -> None:
        """Close with FIN once everything written has been taken."""
        self._ended_here = True
        self.transport.close()

    def _client_gone(self) -> None:
        record = self.record
        if self._task is None or record is None or self._ended_here or record.finished_at is not None:
            return
        self._task.cancel()
        self.backend._finished(record, disconnected=True)
