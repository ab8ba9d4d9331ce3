"""A gateway with a proxy of ours on each of its sides, requests that are held at points of their way, and what strikes them there.

A point is the moment before one message is passed on: a frontend or backend message of Postgres, the head or body of an HTTP message,
an event of a stream. `record` finds out which messages a request makes; nothing is picked by hand.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
from django.conf import settings
from django.db import connections

from tests.fakes.backend import FakeBackend
from tests.gateway.customers import Customer, TestModel, new_model, new_payer
from tests.kill_points.proxy import Passing, Proxy
from tests.kill_points.zygote import Zygote
from tests.ports import free_port
from tests.servers import OwnServer

Value = TypeVar("Value")

LINKS = ("keys", "admission", "settlement")
CHUNKS = ["one ", "two ", "three"]
PROMPT_TOKENS = 10
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Point:
    """Before message `number` of a request on one side, or of the one request that goes over a link."""

    side: str
    link: str
    number: int
    name: str


@dataclass
class Request:
    """One request of the test, with an account of its own. `sent` is what the backend has sent of its answer."""

    tag: int
    streamed: bool
    customer: Customer
    point: Point | None = None
    status: int = 0
    received: bytes = b""
    sent: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Its client saw an answer that was complete."""
        if self.streamed:
            return b"data: [DONE]\n\n" in self.received
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return self.status == 200 and length is not None and len(body) == int(length[1])

    @property
    def words_sent(self) -> int:
        """Tokens of the answer that had left the backend."""
        if not self.streamed:
            return len(CHUNKS) if "body" in self.sent else 0
        return min(len(CHUNKS), max(0, self.sent.count("event") - 1))  # the first event is the role

    @property
    def whole_sent(self) -> bool:
        return ("[DONE]" if self.streamed else "body") in self.sent


class Hold:
    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.released = asyncio.Event()


class World:
    """Enter it in an event loop. `folder` is for sockets, logs and journals."""

    def __init__(self, postgres: OwnServer, backend: FakeBackend, folder: Path) -> None:
        self._postgres = postgres
        self._socket = str(postgres.server.instance.socket_dir / ".s.PGSQL.5432")
        self._backend = backend
        self._folder = folder
        self._port = free_port()
        self._pid = 0
        self._tags = iter(range(1, 100_000))
        self._counts: Counter[tuple[str, int | str | None]] = Counter()
        self._holds: dict[tuple[str, int | str | None, int], Hold] = {}
        self._trace: list[Passing] = []
        self._requests: dict[int, Request] = {}
        self.database = Proxy("postgres", lambda: asyncio.open_unix_connection(self._socket), self._before)
        self.far = Proxy("backend", lambda: asyncio.open_connection("127.0.0.1", backend.port), self._before)
        self.near = Proxy("client", lambda: asyncio.open_connection("127.0.0.1", self._port), self._before)

    async def __aenter__(self) -> World:
        sockets = self._folder / "pg"
        sockets.mkdir()
        await self.database.listen(path=str(sockets / ".s.PGSQL.5432"))
        self._client_port = await self.near.listen()
        far_port = await self.far.listen()
        self.model: TestModel = await in_database(new_model, f"http://127.0.0.1:{far_port}/v1")
        self.log = self._folder / "gateways.log"
        environment = {
            "DATABASE_URL": f"postgresql://akashml@:5432/akashml?host={sockets}", "DATA_DIR": str(self._folder / "data"), "LEASE_S": "2",
            "SERVE": "gateway", "DRAIN_S": "3", "ALLOW_PRIVATE_BACKENDS": "1", "BACKEND_TIMEOUT_S": "60",
            "KEY_PEPPER": settings.KEY_PEPPER,
        }  # fmt: skip
        self._zygote = Zygote(self.log, environment)
        self._backend.reply(chunks=CHUNKS, prompt_tokens=PROMPT_TOKENS, delay_s=0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._zygote.stop()
        for hold in self._holds.values():
            hold.released.set()
        for proxy in (self.near, self.far, self.database):
            await proxy.close()

    # --- Gateways

    async def start_gateway(self) -> None:
        """The next one, at the same address. Returns when it is ready and has made its first request, whose statements it has prepared."""
        self._pid = await asyncio.to_thread(self._zygote.fork, self._port)
        async with asyncio.timeout(PATIENCE_S):
            while not await self._ready():
                assert psutil.pid_exists(self._pid), f"the gateway ended while starting:\n{self.log.read_text()[-5_000:]}"
                await asyncio.sleep(0.02)
        for streamed in (False, True):
            request = await self.new_request(streamed)
            await self.send(request)
            assert request.finished, request

    async def _ready(self) -> bool:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer.startswith(b"HTTP/1.1 200")
        return False

    # --- What strikes

    async def kill(self) -> None:
        """`kill -9` of the gateway. What has not been passed on yet was never sent, and never arrived."""
        os.kill(self._pid, signal.SIGKILL)
        for proxy in (self.near, self.far, self.database):
            proxy.cut()

    async def cut(self) -> None:
        """All connections to Postgres break."""
        self.database.cut()

    async def crash_postgres(self) -> None:
        self._postgres.kill()

    async def start_postgres(self) -> None:
        """Spawned here, in the main thread, at whose end it would end too; the proxies go on while it recovers."""
        server = self._postgres.server
        await asyncio.to_thread(server.prepare)
        self._postgres.process = server.start()
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(server.ready):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    # --- Requests

    async def new_request(self, streamed: bool, point: Point | None = None) -> Request:
        request = Request(next(self._tags), streamed, await in_database(new_payer, "1"), point)
        self._requests[request.tag] = request
        return request

    async def send(self, request: Request) -> None:
        """The client's side of it, until its answer is complete or its connection breaks."""
        messages = [{"role": "user", "content": f"This is request {request.tag}."}]
        body = json.dumps({"model": self.model.name, "messages": messages, "stream": request.streamed, "max_tokens": 20}).encode()
        head = f"POST /v1/chat/completions?tag={request.tag} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        head += f"authorization: Bearer {request.customer.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._client_port)
        writer.write(head.encode() + body)
        try:
            while (data := await reader.read(2**16)) or not request.received:
                if not data:
                    return
                request.received += data
                request.status = int(request.received[9:12] or 0)
                if _complete(request):
                    return
        except ConnectionError:
            return
        finally:
            writer.transport.abort()

    async def record(self, streamed: bool) -> list[Point]:
        """Every point of a request's way, in the order in which its messages pass. It ends with the backend's [DONE]: the end of the
        chunks after it may find the connection closed."""
        request = await self.new_request(streamed)
        self._trace.clear()
        await self.send(request)
        assert request.finished
        seen: Counter[tuple[str, int | str | None]] = Counter()
        points = []
        for passing in self._trace:
            if (passing.side, passing.message.name) == ("backend", "end"):
                continue
            of_link = passing.side == "postgres"
            if passing.whose == request.tag or (of_link and passing.whose in LINKS):
                key = (passing.side, passing.whose)
                points.append(Point(passing.side, str(passing.whose) if of_link else "", seen[key], passing.message.name))
                seen[key] += 1
        return points

    async def hold(self, streamed: bool, point: Point) -> tuple[Request, asyncio.Task[None]]:
        """Sends a request that stays at its point. One that ends before it comes there makes room for another: while Postgres comes
        back, a request may be refused, or its settlement may go to the journal."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                request = await self.new_request(streamed, point)
                whose: int | str = point.link or request.tag
                hold = self._holds[point.side, whose, point.number] = Hold()
                self._counts[point.side, whose] = 0
                task = asyncio.create_task(self.send(request))
                reached = asyncio.create_task(hold.reached.wait())
                await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
                if hold.reached.is_set():
                    return request, task
                reached.cancel()

    @property
    def held(self) -> list[Request]:
        """All requests that were to stay at a point."""
        return [request for request in self._requests.values() if request.point is not None]

    def release(self) -> None:
        for hold in self._holds.values():
            hold.released.set()
        self._holds.clear()

    async def _before(self, passing: Passing) -> None:
        key = (passing.side, passing.whose)
        number = self._counts[key]
        self._counts[key] += 1
        self._trace.append(passing)
        hold = self._holds.get((*key, number))
        if hold is not None:
            hold.reached.set()
            await hold.released.wait()
        if passing.side == "backend" and not passing.forth and isinstance(passing.whose, int):
            self._requests[passing.whose].sent.append(passing.message.name)


async def in_database(call: Callable[..., Value], *arguments: object) -> Value:
    """Runs what asks Postgres, in a thread, on a connection that is not kept: Postgres may have been struck since the last time."""

    def ask() -> Value:
        try:
            return call(*arguments)
        finally:
            connections["default"].close()

    return await asyncio.to_thread(ask)


def _complete(request: Request) -> bool:
    if request.status != 200 or not request.streamed:
        head, _, body = request.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return length is not None and len(body) >= int(length[1])
    return request.received.endswith(b"0\r\n\r\n")
