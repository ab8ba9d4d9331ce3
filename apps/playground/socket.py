"""`/ws/playground`: one tab of the Playground. Frames are README.md's.

What the page sends is done one by one; what runs is written by a second task, as fast as this reader reads and no faster. A plain ASGI
application: five hundred idle tabs are two small tasks each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError

from apps.accounts.websockets import is_still_logged_in
from apps.core.ids import uuid7
from apps.gateway.process import host
from apps.gateway.runtime import Gateway
from apps.playground import relay
from apps.playground.database import in_thread
from apps.playground.errors import Refused
from apps.playground.frames import MESSAGE_BYTES, ResumeFrame, RunFrame, StopFrame, encode, read, run_named
from apps.playground.messages import ending
from apps.playground.models import AnswerStatus, Message
from apps.playground.preparing import prepare
from apps.playground.registry import RUNS, registry
from apps.playground.running import Reader
from apps.playground.sealing import unseal_body

log = logging.getLogger(__name__)

ON_PURPOSE = (1000, 1001)
LOGGED_OUT, FLOODED, TRY_AGAIN = 4401, 4429, 1013
# Frames a tab may send at once, and how many more it earns a second.
FRAMES = 40.0
FRAMES_PER_S = 10.0
AWAY = Refused("The platform is busy or restarting. Nothing was charged; try again.", code="service_unavailable", retry_after_s=2)


class Source(Protocol):
    """What a tab reads: a run of this process, or the relay of another's."""

    @property
    def id(self) -> UUID: ...
    @property
    def over(self) -> bool: ...
    def join(self, reader: Reader) -> None: ...
    def leave(self, reader: Reader, *, stop: bool) -> None: ...
    def frames(self, after: int) -> Iterator[tuple[int, bytes]]: ...
    def stop(self) -> None: ...


async def playground_socket(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """The ASGI application; Door has put `user`, `account` and `session` into its scope."""
    if (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.accept"})
        await Tab(scope, receive, send).serve()


class _Close(Exception):
    """We close the connection, with this code."""

    def __init__(self, code: int) -> None:
        self.code = code


class Tab:
    """A connection; it reads any number of runs."""

    def __init__(
        self, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._user, self._account = scope["user"], scope["account"]
        self._reads: dict[UUID, list[Any]] = {}  # by run: the source, and the seq that was sent last
        self._news = asyncio.Event()
        self._frames_left, self._frames_as_of = FRAMES, time.monotonic()

    def news(self) -> None:
        self._news.set()

    async def serve(self) -> None:
        """Until the connection closes, whoever closes it."""
        code = 1006
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        try:
            await self._say(encode("hello", limits={"runs": RUNS, "message_bytes": MESSAGE_BYTES}))
            done, _ = await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            code = await done.pop()
        except _Close as closing:
            code = closing.code
            await self._send({"type": "websocket.close", "code": code})
        except (TimeoutError, OSError):  # it does not read, or is gone: uvicorn's ClientDisconnected is an OSError
            log.info("playground: a tab was lost")
        finally:
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            on_purpose = code in ON_PURPOSE or code in (LOGGED_OUT, FLOODED)
            for source, _ in self._reads.values():
                source.leave(self, stop=on_purpose)
            self._reads.clear()

    # --- What it says

    async def _read(self) -> int:
        """Returns the code that it closed with."""
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return int(message.get("code") or 1006)
            self._count_frame()
            text = message.get("text")
            try:
                if text is None:
                    raise Refused("Frames are texts of JSON.", code="invalid_request")
                await self._do(text)
            except Refused as refusal:
                await self._say(encode("refused", run=run_named(text or ""), error=refusal.shape()))
            except DatabaseError as error:
                log.warning("playground: %s", error)
                await self._say(encode("refused", run=run_named(text or ""), error=AWAY.shape()))

    def _count_frame(self) -> None:
        now = time.monotonic()
        self._frames_left = min(FRAMES, self._frames_left + (now - self._frames_as_of) * FRAMES_PER_S) - 1
        self._frames_as_of = now
        if self._frames_left < 0:
            log.info("playground: a flood from user %s", self._user.pk)
            raise _Close(FLOODED)

    async def _do(self, text: str) -> None:
        """Raises Refused."""
        frame = read(text)
        if isinstance(frame, StopFrame):
            await self._stop(frame)
            return
        if not await is_still_logged_in(self._scope):
            raise _Close(LOGGED_OUT)
        if isinstance(frame, ResumeFrame):
            await self._resume(frame.run, frame.after)
        else:
            await self._run(frame)

    async def _run(self, frame: RunFrame) -> None:
        gateway = _gateway()
        if registry.find(frame.run, self._user.pk, self._account.pk) is not None:
            await self._resume(frame.run, 0)
            return
        registry.take_place(frame.run, self._account.pk)
        begun = False
        try:
            prepared = await in_thread(prepare, self._user, self._account, frame, uuid7(), gateway.lease.process_id)
            if prepared.body is not None:
                self._attend(registry.begin(gateway, prepared.answer, prepared.body, self._user.pk, self._account.pk), 0)
                begun = True
        finally:
            if not begun:
                registry.give_back(frame.run, self._account.pk)
        if not begun:
            await self._resume(frame.run, 0)

    async def _resume(self, run: UUID, after: int) -> None:
        here = registry.find(run, self._user.pk, self._account.pk)
        if here is not None:
            self._attend(here, after)
            return
        answer = await self._answer(run)
        if answer.status == AnswerStatus.RUNNING:
            self._attend(relay.Relay(answer, after), after)
        else:
            await self._say(ending(answer, unseal_body(answer.sealed_body))(after + 1))

    async def _stop(self, frame: StopFrame) -> None:
        here = registry.find(frame.run, self._user.pk, self._account.pk)
        if here is not None:
            here.stop()
        elif frame.run in self._reads:
            self._reads[frame.run][0].stop()
        else:
            answer = await self._answer(frame.run)
            if answer.status == AnswerStatus.RUNNING:
                await in_thread(Message.objects.filter(pk=answer.pk).update, stop_asked=True)

    async def _answer(self, run: UUID) -> Message:
        answer = await in_thread(relay.find, run, self._user.pk, self._account.pk)
        if answer is None:
            raise Refused("There is no such answer: it was deleted, or never asked for.", code="run_not_found", status=404)
        return answer

    # --- What it reads

    def _attend(self, source: Source, after: int) -> None:
        before = self._reads.pop(source.id, None)
        if before is not None and before[0] is not source:
            before[0].leave(self, stop=False)
        self._reads[source.id] = [source, after]
        source.join(self)

    async def _write(self) -> int:
        while True:
            await self._news.wait()
            self._news.clear()
            for reading in list(self._reads.values()):
                source = reading[0]
                for seq, frame in source.frames(reading[1]):
                    reading[1] = seq
                    await self._say(frame)
                if source.over and self._reads.get(source.id) is reading:
                    del self._reads[source.id]
                    source.leave(self, stop=False)

    async def _say(self, frame: bytes) -> None:
        """Waits while the tab does not read, but not for ever. Raises TimeoutError."""
        async with asyncio.timeout(settings.CLIENT_IDLE_S):
            await self._send({"type": "websocket.send", "text": frame.decode()})


def _gateway() -> Gateway:
    """Raises Refused where nothing can be run now."""
    gateway = host.gateway
    if gateway is None:
        raise Refused(
            "This server shows pages only, and runs no models: its operator has to lead /ws to a gateway (docs/production.md), or to set SERVE=all.",
            code="no_gateway",
            status=503,
        )
    if gateway.draining or gateway.ending:
        raise Refused(
            "The platform is restarting. Nothing was charged; try again in a moment.", code="service_unavailable", retry_after_s=2
        )
    return gateway
