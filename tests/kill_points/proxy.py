"""TCP and unix-socket proxies that pass messages on one by one, and ask before each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tests.kill_points.messages import Http, Message, Postgres, Splitter

Side = Literal["client", "backend", "postgres"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Passing:
    """A message on its way. `whose` is the number of the test's request, or the link of the gateway's it goes over ("settlement")."""

    side: Side
    whose: int | str | None
    forth: bool  # from the one who connected
    message: Message


class Proxy:
    """Between whoever connects and `target`. `before` is awaited before each message is passed on."""

    def __init__(self, side: Side, target: Callable[[], Awaitable[Streams]], before: Callable[[Passing], Awaitable[None]]) -> None:
        self._side = side
        self._target = target
        self._before = before
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server | None = None
        self.open = True
        """While it is not, who connects is turned away."""

    async def listen(self, *, path: str | None = None) -> int:
        """On a unix socket, or on a port of this machine, which it returns."""
        if path is not None:
            self.server = await asyncio.start_unix_server(self._connected, path)
            return 0
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=256)
        return int(self.server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Breaks every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        assert self.server is not None
        self.server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self.open:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._target()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        forth: Splitter
        back: Splitter
        if self._side == "postgres":
            forth, back = Postgres(frontend=True), Postgres(frontend=False)
        else:
            forth, back = Http(tag_in_body=self._side == "backend"), Http()

        def whose() -> int | str | None:
            return forth.application.removeprefix("akashml ") if isinstance(forth, Postgres) else forth.tag  # type: ignore[union-attr]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, splitter: Splitter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):
                while data := await source.read(2**16):
                    for message in splitter.feed(data):
                        await self._before(Passing(self._side, whose(), splitter is forth, message))
                        sink.write(message.data)
                        await sink.drain()
            sink.transport.abort() if sink.transport.is_closing() else sink.close()

        with suppress(asyncio.CancelledError):  # by `close`; asyncio's server would complain of it
            await asyncio.gather(pump(reader, far_writer, forth), pump(far_reader, writer, back))
        self._writers -= {writer, far_writer}
