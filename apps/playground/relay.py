"""An answer that runs in another process, as this one sees it: in what that one keeps, and by columns of the answer's row.

A browser that has lost its connection comes back to whichever process takes it. The one that runs the answer keeps it twice a second
while nobody reads it there; here it is read as often, and the row says that somebody does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from uuid import UUID

import msgspec
from django.db import Error as DatabaseError
from django.db.models.functions import Now

from apps.playground.database import in_thread
from apps.playground.frames import encode
from apps.playground.messages import ending, fill_in, mark_lost, shown
from apps.playground.models import AnswerStatus, Message
from apps.playground.running import Reader
from apps.playground.sealing import Body, unseal_body
from apps.playground.transcript import Transcript

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Relay:
    """As Run, for one reader. It begins with a `state` frame: where `after` stood in the text, nobody knows here."""

    def __init__(self, answer: Message, after: int) -> None:
        self.id: UUID = answer.id
        self._answer = answer
        body = unseal_body(answer.sealed_body)
        self._shown_text = (_content(body), body.reasoning)
        self._state_seq = after + 1
        self._state = encode("state", run=self.id, seq=self._state_seq, message=shown(answer, body))
        self._transcript = Transcript(str(self.id), self._state_seq)
        self._end: Callable[[int], bytes] | None = None
        self._reader: Reader | None = None
        self._task = asyncio.create_task(self._follow(), name=f"playground relay {self.id}")

    def join(self, reader: Reader) -> None:
        self._reader = reader
        reader.news()

    def leave(self, reader: Reader, *, stop: bool) -> None:
        self._reader = None
        self._task.cancel()
        if stop and not self.over:
            _background(self._ask_to_stop())

    @property
    def over(self) -> bool:
        return self._end is not None

    def frames(self, after: int) -> Iterator[tuple[int, bytes]]:
        if after < self._state_seq:
            yield self._state_seq, self._state
        yield from self._transcript.frames(after)
        last = self._transcript.last + 1
        if self._end is not None and after < last:
            yield last, self._end(last)

    def stop(self) -> None:
        _background(self._ask_to_stop())

    async def _ask_to_stop(self) -> None:
        await in_thread(Message.objects.filter(pk=self.id).update, stop_asked=True)

    async def _follow(self) -> None:
        while not self.over:
            try:
                answer = await in_thread(look_again, self.id)
            except DatabaseError as error:
                log.warning("playground: relay of %s: %s", self.id, error)
            else:
                self._take(answer)
            await asyncio.sleep(LOOK_EVERY_S)

    def _take(self, answer: Message | None) -> None:
        if answer is None:  # deleted: it ends as it stood
            answer = self._answer
            answer.status = AnswerStatus.STOPPED
        body = unseal_body(answer.sealed_body)
        now, before = (_content(body), body.reasoning), self._shown_text
        if now[0].startswith(before[0]) and now[1].startswith(before[1]):
            grown = [msgspec.json.encode(new[len(old) :])[1:-1] for new, old in zip(now, before, strict=True)]
            self._transcript.append(grown[0], grown[1], [])
            self._shown_text = now
        if answer.status != AnswerStatus.RUNNING:
            self._end = ending(answer, body)
        if self._reader is not None:
            self._reader.news()


def look_again(identifier: UUID) -> Message | None:
    """The row now; notes that its reader is here, or that its process is gone."""
    Message.objects.filter(pk=identifier, status=AnswerStatus.RUNNING).update(watched_at=Now())
    answer = Message.objects.filter(pk=identifier).first()
    if answer is not None:
        mark_lost([answer])
        fill_in([answer])
    return answer


def find(identifier: UUID, user_id: int, account_id: int) -> Message | None:
    """An answer of theirs, whatever became of it."""
    answer = Message.objects.filter(
        pk=identifier, conversation__user=user_id, conversation__account=account_id, status__isnull=False
    ).first()
    return look_again(identifier) if answer is not None else None


def _content(body: Body) -> str:
    return msgspec.json.decode(body.content, type=str)


_tasks: set[asyncio.Task[None]] = set()


def _background(work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
