"""A settlement is refused for its own values alone. Whatever is wrong with Postgres, it waits, and a new connection is tried."""

from __future__ import annotations

import asyncio
import logging

import psycopg
import pytest

from apps.core.ids import uuid7
from apps.gateway.settlement import Settlement, Settling
from tests.gateway.customers import Customer, new_customer

pytestmark = pytest.mark.money

TROUBLES = {
    "a standby that only reads": ("SET default_transaction_read_only = on", "read-only transaction"),
    "functions that are not there": ("SET search_path = nowhere", "does not exist"),
    "rights that are not there": ("SET ROLE pg_monitor", "permission denied"),
}


def ending(customer: Customer, **changes: object) -> Settlement:
    return Settlement(uuid7(), customer.account_id, customer.key_id, 1, 1, 1, False, cost=1_000, **changes)  # type: ignore[arg-type]


def tries(caplog: pytest.LogCaptureFixture, said: str) -> int:
    """How often a batch of settlements failed for this reason."""
    return sum(record.getMessage().startswith("settlement:") and said in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_is_wrong_with_postgres_a_settlement_waits(trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    customer = new_customer("10")
    setting, said = TROUBLES[trouble]

    async def settle() -> None:
        settling = Settling()
        good = settling._link._setup
        settling._link._setup = f"{good}; {setting}"
        settling._batcher.start()
        futures = [settling.post(ending(customer)) for _ in range(3)]
        while tries(caplog, said) < 2:  # noqa: ASYNC110  a log has no event
            await asyncio.sleep(0.01)
        assert not any(future.done() for future in futures)
        settling._link._setup = good
        assert [settled.charged for settled in await asyncio.gather(*futures)] == [1_000] * 3
        await settling.stop()

    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(settle(), 20))
    assert len(customer.inferences) == 3
    assert customer.balance == 10 * 10**9 - 3_000


def test_a_settlement_that_cannot_be_written_is_refused_and_the_others_of_its_batch_are_not() -> None:
    customer = new_customer("10")

    async def settle() -> None:
        settling = Settling()
        await settling.start()
        results = await asyncio.gather(
            *(settling.settle(item) for item in (ending(customer), ending(customer, finish_reason="\x00"), ending(customer))),
            return_exceptions=True,
        )
        await settling.stop()
        assert isinstance(results[1], psycopg.DataError)
        assert [result.charged for result in (results[0], results[2])] == [1_000, 1_000]  # type: ignore[union-attr]

    asyncio.run(asyncio.wait_for(settle(), 20))
    assert customer.balance == 10 * 10**9 - 2_000
