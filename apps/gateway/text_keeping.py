"""Keeping prompts and answers, for accounts that chose to (Account.keep_days): collected while a request runs, written in batches after it.

A courtesy, never a reason to slow or fail a call: what finds no room in memory, or is still here when the process stops, is dropped and
counted. Requests of all other accounts pass by.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

import msgspec
import psycopg

from apps.core.batching import Batcher, Unavailable
from apps.gateway.database import Link
from apps.gateway.endpoint import Transcript
from apps.gateway.sse import EventSplitter, EventTooLarge
from apps.texts.sealing import Text, seal

log = logging.getLogger(__name__)

# Kept of one request, and of one answer.
MOST_BYTES = 256 * 1024
# Of all that are collected or wait to be written, for each process.
ROOM_BYTES = 64 * 1024 * 1024
# In a batch: encrypted, the largest eight are six megabytes.
MOST_AT_ONCE = 8
STOP_S = 2.0

# The share of the row's lock is what whoever takes the choice back waits for, and its holders wait for nobody here (apps/texts/actions.py).
# Admission, which locks the same row for its money, does not conflict with it.
WRITE = """WITH keeping AS MATERIALIZED (
    SELECT a.id, a.keep_days FROM accounts_account a WHERE a.id = ANY (%b::bigint[]) AND a.keep_days IS NOT NULL ORDER BY a.id FOR KEY SHARE
  )
  INSERT INTO texts_kepttext (id, account_id, sealed, kept_at, expires_at)
  SELECT t.id, k.id, t.sealed, now(), now() + make_interval(days => k.keep_days)
  FROM unnest(%b::uuid[], %b::bigint[], %b::text[]) t (id, account_id, sealed) JOIN keeping k ON k.id = t.account_id
  ON CONFLICT (id) DO NOTHING RETURNING id"""


class Said:
    """What is asked and answered in one inference, up to MOST_BYTES each. `answer_cut`: there was more, or something in it was no JSON."""

    __slots__ = ("_splitter", "_transcript", "_whole", "account_id", "answer_cut", "id", "request", "request_cut", "reserved")

    def __init__(self, identifier: UUID, account_id: int, request: bytes, transcript: Transcript) -> None:
        self.id, self.account_id = identifier, account_id
        self.request, self.request_cut = request[:MOST_BYTES], len(request) > MOST_BYTES
        self.answer_cut = False
        self.reserved = 0
        self._transcript, self._splitter = transcript, EventSplitter()
        self._whole = b""

    @property
    def size(self) -> int:
        """Bytes in memory, more or less."""
        return len(self.request) + len(self._whole) + self._transcript.size

    def stream(self, frames: bytes) -> None:
        """Whole events, as the client gets them."""
        if self.answer_cut:
            return
        try:
            for payload in self._splitter.feed(frames):
                if self._transcript.size + len(payload) > MOST_BYTES:
                    self.answer_cut = True
                    return
                self._transcript.feed(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, EventTooLarge):
            self.answer_cut = True

    def whole(self, body: bytes) -> None:
        self._whole, self.answer_cut = body[:MOST_BYTES], len(body) > MOST_BYTES

    def text(self) -> Text:
        """Not cheap: for a thread."""
        answer = self._whole or self._transcript.whole()
        return Text(_as_text(self.request), _as_text(answer), self.request_cut, self.answer_cut)


class TextKeeping:
    """`dropped` counts texts that were not kept though their account wanted them; `kept` those that are."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room_bytes = room_bytes
        self._link = Link("texts", asynchronous_commit=True)
        self._batcher = Batcher[Said, bool]("texts", self._write, most=MOST_AT_ONCE, retry=True)
        self._ended: set[asyncio.Future[bool]] = set()
        self._held = 0
        self.kept = 0
        self.dropped = 0

    async def start(self) -> None:
        self._batcher.start()

    async def stop(self) -> None:
        """Writes what it can within STOP_S."""
        if self._ended:
            await asyncio.wait(self._ended, timeout=STOP_S)
        self._link.abort()
        await self._batcher.stop()
        await self._link.close()

    @property
    def waiting(self) -> int:
        """Texts that are not written yet, of requests that have ended."""
        return len(self._ended)

    def begin(self, identifier: UUID, account_id: int, request: bytes, transcript: Transcript) -> Said | None:
        """For an admitted request whose account keeps texts; `put` must follow. None when there is no room."""
        if self._held >= self._room_bytes:
            self.dropped += 1
            return None
        said = Said(identifier, account_id, request, transcript)
        self._reserve(said)
        return said

    def put(self, said: Said) -> None:
        """The request has ended, however it did. Returns at once; what was said is written later, or dropped."""
        self._reserve(said)
        future = self._batcher.post(said)
        self._ended.add(future)
        future.add_done_callback(lambda _: self._done(said, future))

    def _reserve(self, said: Said) -> None:
        self._held += said.size - said.reserved
        said.reserved = said.size

    def _done(self, said: Said, future: asyncio.Future[bool]) -> None:
        self._ended.discard(future)
        self._held -= said.reserved
        if future.cancelled() or future.exception() is not None:
            self.dropped += 1
        else:
            self.kept += future.result()

    async def _write(self, batch: list[Said]) -> list[bool]:
        """Whether each was kept: the account may have changed its mind, or be closed. Raises Unavailable; trying again does no harm."""
        await self._link.open()  # before all the work
        sealed = await asyncio.to_thread(lambda: [seal(said.text()) for said in batch])
        accounts = [said.account_id for said in batch]
        try:
            rows = await self._link.rows(WRITE, (accounts, [said.id for said in batch], accounts, sealed))
        except psycopg.errors.LockNotAvailable:  # somebody is changing their choice
            raise Unavailable("an account's row is locked") from None
        written = {row[0] for row in rows}
        return [said.id in written for said in batch]


def _as_text(raw: bytes) -> str:
    """What is no UTF-8 is shown as such."""
    return raw.decode(errors="replace")
