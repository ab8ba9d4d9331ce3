"""Settlement: a request ends, is charged and is logged. One call of the database function `gateway_settle` does it for all that wait."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.batching import Batcher, Unavailable
from apps.gateway.database import BUSY, Link

log = logging.getLogger(__name__)

# Codes of gateway_settle (apps/gateway/sql/3_settle.sql).
SETTLED, SETTLED_BEFORE, CHARGED_DIRECTLY, RELEASED = range(4)

SETTLE = """SELECT item, code, charged FROM gateway_settle(
  %s::uuid[], %s::bigint[], %s::bigint[], %s::boolean[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::smallint[],
  %s::boolean[], %s::smallint[], %s::smallint[], %s::text[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::boolean[], %s::int[],
  %s::int[], %s::int[], %s::boolean)"""


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


def _columns(items: list[Settlement]) -> tuple[list[Any], ...]:
    """The parameters of SETTLE: a column for each field."""
    return (
        [i.id for i in items],
        [i.account_id for i in items],
        [i.key_id for i in items],
        [i.logged for i in items],
        [i.cost for i in items],
        [i.tpm_tokens for i in items],
        [i.model_id for i in items],
        [i.price_id for i in items],
        [i.backend_id for i in items],
        [i.dialect for i in items],
        [i.streamed for i in items],
        [i.status for i in items],
        [i.http_status for i in items],
        [i.finish_reason for i in items],
        [i.error_code for i in items],
        [i.prompt_tokens for i in items],
        [i.cached_tokens for i in items],
        [i.completion_tokens for i in items],
        [i.reasoning_tokens for i in items],
        [i.estimated for i in items],
        [i.queue_ms for i in items],
        [i.first_token_ms for i in items],
        [i.total_ms for i in items],
    )
