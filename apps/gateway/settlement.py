"""Settlement: a request ends, is charged and is logged. One call of the database function `gateway_settle` does it for all that wait."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID

from apps.core.batching import Batcher, Unavailable
from apps.gateway import wire
from apps.gateway.database import BUSY, Link
from apps.gateway.prepared import Prepared

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


@dataclass(slots=True)
class Settlement:
    """How a request ended. `cost` in nano-USD; `tpm_tokens` is what really counts against the minute; times in milliseconds.

    `logged` false only releases the hold: the request came to nothing before it was sent to a backend."""

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
    unsure: bool = False  # a try broke off: Postgres may have taken it


@dataclass(slots=True)
class Settled:
    """`stands` is false when the reaper had ended the request before: its charge stands, not this one. `charged` in nano-USD."""

    stands: bool
    charged: int


class Settling:
    """The queue in front of `gateway_settle`. Settlements are tried until Postgres has taken them."""

    def __init__(self) -> None:
        self._link = Link("settlement")
        self._batcher = Batcher[Settlement, Settled]("settlement", self._call, retry=True)
        self.pending: set[UUID] = set()
        self.superseded = 0
        self.written_off = 0

    async def start(self) -> None:
        await self._link.open()
        self._batcher.start()

    async def stop(self) -> None:
        await self._batcher.stop()
        await self._link.close()

    @property
    def idle(self) -> bool:
        return self._batcher.idle

    @property
    def waiting(self) -> int:
        """Settlements that wait to be sent to Postgres."""
        return len(self._batcher)

    def post(self, settlement: Settlement) -> asyncio.Future[Settled]:
        """Queues a settlement that nothing cancels any more; the future is done after the commit."""
        self.pending.add(settlement.id)
        future = self._batcher.post(settlement)
        future.add_done_callback(lambda _: self.pending.discard(settlement.id))
        return future

    async def settle(self, settlement: Settlement) -> Settled:
        """Returns after the commit. Cancelling the caller does not cancel the settlement."""
        return await asyncio.shield(self.post(settlement))

    async def _call(self, items: list[Settlement]) -> list[Settled | None]:
        try:
            rows = await self._link.batch(SETTLE, _columns(items))
        except Unavailable:
            for item in items:
                item.unsure = True
            raise
        results: list[Settled | None] = [None] * len(items)
        for number, code, charged in rows:
            if code != BUSY:
                results[number - 1] = self._outcome(items[number - 1], code, charged)
        return results

    def _outcome(self, item: Settlement, code: int, charged: int) -> Settled:
        if code == SETTLED_BEFORE:
            # A try that broke off may have been committed: this one finds its row. Otherwise the reaper came first.
            if item.unsure:
                return Settled(True, item.cost)
            self.superseded += 1
            log.warning("inference %s was settled by the reaper before; this process computed %s nano-USD", item.id, item.cost)
            return Settled(False, 0)
        if item.logged and charged < item.cost:
            self.written_off += item.cost - charged
            log.error(
                "inference %s of account %s: %s of %s nano-USD written off, no credit was left",
                item.id,
                item.account_id,
                item.cost - charged,
                item.cost,
            )
        return Settled(True, charged)


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
