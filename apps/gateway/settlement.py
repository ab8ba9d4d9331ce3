"""Settlement: a request ends, is charged and is logged. One call of the database function `gateway_settle` does it for all that wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from apps.core.batching import Batcher
from apps.gateway import wire
from apps.gateway.database import BUSY, Link
from apps.gateway.prepared import Prepared
from apps.usage.models import Status

log = logging.getLogger(__name__)

# Codes of gateway_settle (apps/gateway/sql/3_settle.sql).
SETTLED, SETTLED_BEFORE, CHARGED_DIRECTLY, RELEASED = range(4)

SETTLE = Prepared(
    "gateway_settle",
    """SELECT item, code, charged FROM gateway_settle(
  $1::uuid[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::smallint[],
  $11::boolean[], $12::smallint[], $13::smallint[], $14::text[], $15::text[], $16::int[], $17::int[], $18::int[], $19::int[], $20::boolean[], $21::int[],
  $22::int[], $23::int[], $24::boolean)""",
    24,
)

REAPED = "SELECT id, charged FROM usage_inference WHERE id = ANY (%s::uuid[]) AND status = %s::smallint"


@dataclass(slots=True)
class Settlement:
    """How a request ended. `cost` in nano-USD; `tpm_tokens` is what really counts against the minute; times in milliseconds.

    `logged` false only releases the hold: the request came to nothing before it was sent to a backend.

    It is kept as JSON in the journal (apps/gateway/journal.py): a new field needs a default."""

    id: UUID
    account_id: int
    key_id: int | None
    model_id: int
    price_id: int
    dialect: int
    streamed: bool
    logged: bool = True
    cost: int = 0
    tpm_tokens: int = 0
    backend_id: int | None = None
    status: int = 1
    http_status: int = 200
    finish_reason: str = ""
    error_code: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    queue_ms: int = 0
    first_token_ms: int | None = None
    total_ms: int = 0


@dataclass(slots=True)
class Settled:
    """`stands` is false when the reaper had ended the request before: its charge stands, not this one. `charged` in nano-USD."""

    stands: bool
    charged: int


class Waiting(NamedTuple):
    """A settlement that Postgres has not taken yet. `posted` is the tick at which it was queued."""

    settlement: Settlement
    future: asyncio.Future[Settled]
    posted: int


class Settling:
    """The queue in front of `gateway_settle`. Settlements are tried until Postgres has taken them, or the journal answers for them.

    `tick` counts the looks of whoever watches the queue (apps/gateway/safekeeping.py). Age is measured by it, and not by a clock:
    a process that slept has not waited."""

    def __init__(self) -> None:
        self._link = Link("settlement")
        self._batcher = Batcher[Settlement, Settled]("settlement", lambda items: self.try_batch(self._link, items), retry=True)
        self.pending: dict[UUID, Waiting] = {}
        """In the order in which they were queued."""
        self.tick = 0
        self.on_ended: Callable[[Settlement], None] | None = None
        """Hears of each request that has ended, once; for tracing."""
        self.superseded = 0
        self.superseded_nano = 0
        self.written_off = 0

    async def start(self) -> None:
        await self._link.open()
        self._batcher.start()

    async def stop(self) -> None:
        self._link.abort()  # a Postgres that does not answer must not keep us
        await self._batcher.stop()
        await self._link.close()

    @property
    def waiting(self) -> int:
        """Settlements that wait to be sent to Postgres."""
        return len(self._batcher)

    @property
    def owed(self) -> list[Settlement]:
        """What would be lost with this process: neither in Postgres nor in the journal."""
        return [settlement for settlement, _, _ in self.pending.values() if settlement.logged]

    def post(self, settlement: Settlement) -> asyncio.Future[Settled]:
        """Queues a settlement that nothing cancels any more; the future is done after the commit, or when the journal has it."""
        if self.on_ended is not None and settlement.logged:
            self.on_ended(settlement)
        future = self._batcher.post(settlement)
        self.pending[settlement.id] = Waiting(settlement, future, self.tick)
        future.add_done_callback(lambda _: self.pending.pop(settlement.id, None))
        return future

    async def settle(self, settlement: Settlement) -> Settled:
        """Returns after the commit, or when the journal has it. Cancelling the caller does not cancel the settlement."""
        return await asyncio.shield(self.post(settlement))

    def acknowledge(self, settlement: Settlement) -> None:
        """It is in the journal: whoever waits for it goes on, and the queue forgets it."""
        waiting = self.pending.pop(settlement.id, None)
        if waiting is not None and not waiting.future.done():
            waiting.future.set_result(Settled(True, settlement.cost))

    async def try_batch(self, link: Link, items: list[Settlement]) -> list[Settled | None]:
        """One call of `gateway_settle`; None for an item whose account is busy. Raises Unavailable, and what is wrong with the items."""
        rows = await link.batch(SETTLE, _columns(items))
        results: list[Settled | None] = [None] * len(items)
        again = []
        for number, code, charged in rows:
            if code == SETTLED_BEFORE:
                again.append(number - 1)
            elif code != BUSY:
                results[number - 1] = self._charged(items[number - 1], charged)
        if again:
            reaped: dict[UUID, int] = dict(await link.rows(REAPED, ([items[i].id for i in again], int(Status.LOST))))
            for i in again:
                results[i] = self._settled_before(items[i], reaped.get(items[i].id))
        return results

    def _charged(self, item: Settlement, charged: int) -> Settled:
        if item.logged and charged < item.cost:
            self.written_off += item.cost - charged
            log.error(
                "inference %s of account %s: %s of %s nano-USD written off, no credit was left",
                item.id,
                item.account_id,
                item.cost - charged,
                item.cost,
                extra={"inference_id": item.id},
            )
        return Settled(True, charged)

    def _settled_before(self, item: Settlement, reaped: int | None) -> Settled:
        """Its row is there: an earlier try of it that broke off, or a replay of the journal; or else the reaper's, who charged `reaped`."""
        if reaped is None:
            return Settled(True, item.cost)
        self.superseded += 1
        self.superseded_nano += item.cost - reaped
        log.warning(
            "inference %s of account %s was settled by the reaper before, at %s nano-USD; this process computed %s",
            item.id,
            item.account_id,
            reaped,
            item.cost,
            extra={"inference_id": item.id},
        )
        return Settled(False, reaped)


def _columns(items: list[Settlement]) -> tuple[bytes, ...]:
    """The parameters of SETTLE: a column for each field."""
    return (
        wire.uuids([i.id for i in items]),
        wire.bigints([i.account_id for i in items]),
        wire.bigints([i.key_id for i in items]),
        wire.booleans([i.logged for i in items]),
        wire.bigints([i.cost for i in items]),
        wire.bigints([i.tpm_tokens for i in items]),
        wire.bigints([i.model_id for i in items]),
        wire.bigints([i.price_id for i in items]),
        wire.bigints([i.backend_id for i in items]),
        wire.smallints([i.dialect for i in items]),
        wire.booleans([i.streamed for i in items]),
        wire.smallints([i.status for i in items]),
        wire.smallints([i.http_status for i in items]),
        wire.texts([i.finish_reason for i in items]),
        wire.texts([i.error_code for i in items]),
        wire.integers([i.prompt_tokens for i in items]),
        wire.integers([i.cached_tokens for i in items]),
        wire.integers([i.completion_tokens for i in items]),
        wire.integers([i.reasoning_tokens for i in items]),
        wire.booleans([i.estimated for i in items]),
        wire.integers([i.queue_ms for i in items]),
        wire.integers([i.first_token_ms for i in items]),
        wire.integers([i.total_ms for i in items]),
    )
