"""One answer while it runs: the gateway's client on one side, and those who read it on the other.

A run is a task of its own and belongs to no socket. It ends by itself, when it is stopped, or when nobody has read it for
PLAYGROUND_GRACE_S; and however it ends, what it had said is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from django.conf import settings
from django.db import Error as DatabaseError

from apps.gateway.client import Call
from apps.gateway.errors import Header
from apps.gateway.inference import answer_call
from apps.gateway.keyring import KeyEntry
from apps.gateway.runtime import Gateway
from apps.playground.database import in_thread
from apps.playground.endpoint import playground_completions
from apps.playground.errors import error_of_answer, shape
from apps.playground.frames import encode
from apps.playground.messages import ending, take_figures
from apps.playground.models import AnswerStatus, Message
from apps.playground.preparing import keep_end, keep_text, look
from apps.playground.sealing import Body, seal_body
from apps.playground.transcript import MAX_BYTES, Transcript

log = logging.getLogger(__name__)

KEEP_EVERY_S = 2.0
KEEP_EVERY_S_UNREAD = 0.5  # while its reader may be at another process, which sees what is kept
TRIES = 10  # to write down an end, a second apart: so long may Postgres be away
TOO_LONG = shape("answer_too_long", f"The answer grew beyond {MAX_BYTES // 2**20} MB and was ended. What is there was charged.")
BROKEN = shape("internal_error", "Something broke on our side. You were charged at most for what had reached you.")


class Reader(Protocol):
    """A socket, as what it reads sees it."""

    def news(self) -> None:
        """There is something to send. Called often: it only notes it."""
        ...


class Run:
    """`answer` is its row. `registry` is told when it is over."""

    def __init__(self, gateway: Gateway, answer: Message, body: bytes, user_id: int, account_id: int, over: Callable[[Run], None]) -> None:
        self.id, self.user_id, self.account_id = answer.id, user_id, account_id
        self._gateway, self._answer, self._body, self._over = gateway, answer, body, over
        self._transcript = Transcript(str(answer.id))
        self._readers: set[Reader] = set()
        self._end: Callable[[int], bytes] | None = None
        self._kept_size = 0
        # As a client of the gateway.
        self._status = 0
        self._headers: Sequence[Header] = ()
        self._error_body = b""
        self._callback: Callable[[], None] | None = None
        self._stopped = self._too_long = False
        self._grace: asyncio.TimerHandle | None = None
        self._last_read_at = time.monotonic()
        self.task = asyncio.create_task(self._run(), name=f"playground run {answer.id}")

    # --- For readers

    def join(self, reader: Reader) -> None:
        self._readers.add(reader)
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        reader.news()

    def leave(self, reader: Reader, *, stop: bool) -> None:
        """`stop`: the reader went on purpose, and does not come back. Who is lost has PLAYGROUND_GRACE_S to come back in."""
        self._readers.discard(reader)
        if self._readers or self.over:
            return
        if stop:
            self.stop()
        else:
            self._last_read_at = time.monotonic()
            self._wait_for_readers()

    @property
    def over(self) -> bool:
        return self._end is not None

    def frames(self, after: int) -> Iterator[tuple[int, bytes]]:
        """The frames that follow `after`, each with its seq, up to what is there now."""
        if after < 1:
            yield 1, encode("started", run=self.id, seq=1, inference_id=self._answer.inference_id)
        yield from self._transcript.frames(after)
        last = self._transcript.last + 1
        if self._end is not None and after < last:
            yield last, self._end(last)

    def stop(self) -> None:
        """Ends it at once; what was generated is kept and charged. Calling it again changes nothing."""
        self._stopped = True
        if self._callback is not None:
            self._callback()

    def _wait_for_readers(self) -> None:
        rest = self._last_read_at + settings.PLAYGROUND_GRACE_S - time.monotonic()
        if rest <= 0:
            self.stop()
        else:
            self._grace = asyncio.get_running_loop().call_later(rest, self._wait_for_readers)

    def _tell(self) -> None:
        for reader in self._readers:
            reader.news()

    # --- As a client of the gateway: it never waits for readers, since what they have not read is the answer itself, which is bounded

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        self._status, self._headers = status, headers

    async def send(self, data: bytes, *, last: bool) -> None:
        if self._status != 200:
            self._error_body += data
            return
        if self._transcript.feed(data):
            self._tell()
        if self._transcript.size > MAX_BYTES:
            self._too_long = True
            self.stop()

    def when_gone(self, callback: Callable[[], None]) -> None:
        """It was admitted."""
        self._callback = callback
        if self._stopped:
            callback()

    # --- Its task

    async def _run(self) -> None:
        keeping = asyncio.create_task(self._keep_now_and_then(), name=f"playground keeping {self.id}")
        key = KeyEntry(None, self.account_id)
        assert self._answer.inference_id is not None
        call = Call(self._answer.inference_id, key, self._body, time.monotonic())
        self._body = b""
        try:
            await answer_call(playground_completions, self._gateway, call, self)
        except Exception:  # the gateway never raises for what a client or a backend did
            log.exception("playground: run %s: an error of our own", self.id)
        finally:
            keeping.cancel()
        try:
            await self._finish()
        finally:
            if self._grace is not None:
                self._grace.cancel()
            self._over(self)

    async def _finish(self) -> None:
        status, error = self._outcome()
        body = Body(
            msgspec.Raw(msgspec.json.encode(self._transcript.content)),
            self._transcript.reasoning,
            msgspec.Raw(msgspec.json.encode(self._transcript.tool_calls() or None)),
            error=error,
        )
        answer = self._answer
        answer.status, answer.finish_reason = status, self._transcript.finish_reason
        if self._callback is None:
            answer.inference_id = None  # it was never admitted: the log knows nothing of it
        await self._keep_end(body)
        self._end = ending(answer, body)
        self._tell()

    def _outcome(self) -> tuple[AnswerStatus, dict[str, Any] | None]:
        if self._transcript.done:
            return AnswerStatus.COMPLETED, None
        if self._too_long:
            return AnswerStatus.FAILED, TOO_LONG
        failure = self._error_body or self._transcript.error
        if failure:
            return AnswerStatus.FAILED, error_of_answer(failure, self._headers if self._error_body else ())
        if self._stopped:
            return AnswerStatus.STOPPED, None
        return AnswerStatus.FAILED, BROKEN

    async def _keep_end(self, body: Body) -> None:
        """What Postgres does not take within TRIES seconds is left to the sweep (tasks.py), which finds the charge in the log."""
        for _ in range(TRIES):
            try:
                await in_thread(self._write_end, body)
                return
            except DatabaseError as error:
                log.warning("playground: the end of run %s cannot be kept yet: %s", self.id, error)
                await asyncio.sleep(1)

    def _write_end(self, body: Body) -> None:
        take_figures(self._answer)
        self._answer.sealed_body = seal_body(body)
        keep_end(self._answer)

    async def _keep_now_and_then(self) -> None:
        """What is kept stands when this process dies."""
        kept_at = time.monotonic()
        while True:
            await asyncio.sleep(KEEP_EVERY_S_UNREAD)  # soon after its reader is lost, the other process must be heard of
            if self._readers and time.monotonic() - kept_at < KEEP_EVERY_S:
                continue
            kept_at = time.monotonic()
            size = self._transcript.size
            try:
                if size != self._kept_size:
                    runs, unread_s, stop_asked = await in_thread(keep_text, self._answer, self._so_far())
                    self._kept_size = size
                else:
                    runs, unread_s, stop_asked = await in_thread(look, self._answer)
            except DatabaseError as error:
                log.warning("playground: run %s cannot be kept: %s", self.id, error)
                continue
            if stop_asked or not runs:  # by its reader at another process, or with its conversation
                self.stop()
            if unread_s is not None:
                self._last_read_at = max(self._last_read_at, time.monotonic() - unread_s)

    def _so_far(self) -> Body:
        content = msgspec.Raw(msgspec.json.encode(self._transcript.content))
        return Body(content, self._transcript.reasoning)
