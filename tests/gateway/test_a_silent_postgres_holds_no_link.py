"""Promise: a process of Postgres that never answers holds a link of the gateway for a bounded time; the next query has a new one."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest
import uvloop
from psycopg.pq import TransactionStatus

from apps.core.batching import Unavailable
from apps.gateway import database
from apps.gateway.database import Link, OutcomeUnknown
from apps.gateway.prepared import Prepared

ONE = Prepared("one", "SELECT 1 AS item, 0::smallint AS code WHERE $1::boolean IS NOT NULL", 1)


@pytest.mark.parametrize("way", ["batch", "rows"])
def test_the_link_is_given_up_and_made_anew(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ANSWER_S", 0.3)

    async def ask(link: Link) -> list[tuple[object, ...]]:
        return await (link.batch(ONE, ()) if way == "batch" else link.rows("SELECT 1, 0::smallint", ()))

    async def run() -> None:
        link = Link("silent")
        try:
            assert await ask(link) == [(1, 0)]
            [(pid,)] = await link.rows("SELECT pg_backend_pid()", ())
            os.kill(pid, signal.SIGSTOP)
            try:
                async with asyncio.timeout(30):  # without a bound it would never come
                    with pytest.raises(OutcomeUnknown):
                        await ask(link)
                monkeypatch.setattr(database, "ANSWER_S", 15.0)
                assert await ask(link) == [(1, 0)]  # of another process, while that one still stands
            finally:
                os.kill(pid, signal.SIGCONT)
        finally:
            await link.close()

    asyncio.run(run())


def test_so_is_one_that_takes_a_connection_and_says_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ANSWER_S", 0.3)
    monkeypatch.setattr(database, "SESSION", "SELECT pg_sleep(20)")

    async def run() -> None:
        link = Link("silent")
        try:
            with pytest.raises(Unavailable, match="does not answer"):
                await link.rows("SELECT 1", ())
        finally:
            await link.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_so_is_one_that_says_goodbye_before_it_has_read_what_it_was_asked() -> None:
    """Its socket is then in an error: uvloop shows what came before once, and forgets whoever waits for more without a word."""

    async def run() -> None:
        link = Link("leaving")
        try:
            assert await link.batch(ONE, ()) == [(1, 0)]
            [(pid,)] = await link.rows("SELECT pg_backend_pid()", ())
            connection = await link.open()
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGTERM)  # seen first when it goes on
            asked = asyncio.create_task(link.batch(ONE, ()))
            while connection.pgconn.transaction_status != TransactionStatus.ACTIVE:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0)
            backend = psutil.Process(pid)
            os.kill(pid, signal.SIGCONT)
            backend.wait(30)  # the loop is busy meanwhile, and finds the words and the error at the same time
            with pytest.raises(OutcomeUnknown, match="administrator"):
                await asyncio.wait_for(asked, database.ANSWER_S - 5)  # long before it would be given up for its silence
            assert await link.batch(ONE, ()) == [(1, 0)]
        finally:
            await link.close()

    uvloop.run(run())
