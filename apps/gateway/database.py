"""One Postgres connection of the hot path: made anew when it breaks, with the settings the path relies on."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from django.conf import settings

from apps.core.batching import Unavailable
from apps.gateway import wire
from apps.gateway.prepared import Prepared

log = logging.getLogger(__name__)

# The code by which gateway_admit and gateway_settle say of an item that its account is locked by somebody slow: ask again.
BUSY = 8

# No sequential scans: a plan made while a table was one page would go on reading all of it when it has grown.
# Generic plans: the functions' inner statements are planned once per session, not once per call.
# A lock that is not there in 200 ms is somebody's long transaction: the batch goes on without that account.
SESSION = "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off; SET lock_timeout = '200ms'; SET statement_timeout = '10s'"

# After so many seconds nothing comes any more: Postgres itself ends a statement after ten, and what does not obey (its main process was
# killed, and what is left waits for a lock that nobody gives back) would hold the link for as long as it lives.
ANSWER_S = 15.0


ENDS: dict[str, Any] = settings.POSTGRES_ENDS


class OutcomeUnknown(Unavailable):
    """The connection broke after a query was sent, or Postgres refused it as it is now: it may have been committed or not."""


class Link:
    """A connection that is opened at first use. Not for use by two tasks at a time."""

    def __init__(self, name: str, *, asynchronous_commit: bool = False) -> None:
        self.name = name
        self._setup = SESSION + ("; SET synchronous_commit = off" if asynchronous_commit else "")
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._skip_locked = False
        self._statements: set[str] = set()  # prepared on this connection

    async def open(self) -> psycopg.AsyncConnection[Any]:
        """The connection, opened if need be. Raises Unavailable."""
        if self._connection is None or self._connection.closed:
            try:
                self._connection = await psycopg.AsyncConnection.connect(
                    settings.DATABASE_URL,
                    autocommit=True,
                    application_name=f"akashml {self.name}",
                    prepare_threshold=0,
                    **ENDS,
                )
                async with asyncio.timeout(ANSWER_S):
                    await self._connection.execute(self._setup, prepare=False)
                self._statements.clear()
            except TimeoutError:
                await self.close()
                raise Unavailable("Postgres took a connection and does not answer") from None
            except psycopg.Error as error:
                await self.close()
                raise Unavailable(f"Postgres cannot be reached ({_first_line(error)})") from None
        return self._connection

    async def rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Runs a query. Raises Unavailable when there is no connection, OutcomeUnknown when it broke or when Postgres is at fault,
        DataError and IntegrityError when the values are, and LockNotAvailable."""
        connection = await self.open()
        async with self._judged():
            cursor = await connection.execute(query, values, prepare=True, binary=True)
            return await cursor.fetchall()

    async def batch(self, statement: Prepared, columns: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """Runs a batch function, whose parameters are `columns` and then `skip_locked`, and whose rows begin with item (from 1) and code.

        One slow account must not hold up the others: after a lock time-out the batch runs again without waiting for locks, and
        so do the next ones until nobody is BUSY any more. Raises what `rows` raises, but for LockNotAvailable."""
        try:
            rows = await self._prepared(statement, (*columns, wire.boolean(self._skip_locked)))
        except psycopg.errors.LockNotAvailable:
            try:
                rows = await self._prepared(statement, (*columns, wire.boolean(True)))
            except psycopg.errors.LockNotAvailable:
                raise Unavailable("a table or row that every batch needs is locked") from None
        self._skip_locked = any(row[1] == BUSY for row in rows)
        return rows

    async def _prepared(self, statement: Prepared, values: Sequence[bytes]) -> list[tuple[Any, ...]]:
        connection = await self.open()
        async with self._judged():
            if statement.name not in self._statements:
                await statement.prepare(connection)
                self._statements.add(statement.name)
            return await statement.rows(connection, values)

    @asynccontextmanager
    async def _judged(self) -> AsyncIterator[None]:
        """Whose fault an error is: the values' own goes on, anything else makes the connection one to replace. So does no answer in
        ANSWER_S."""
        too_late = asyncio.get_running_loop().call_later(ANSWER_S, self.abort)
        try:
            yield
        except (psycopg.errors.LockNotAvailable, psycopg.DataError, psycopg.IntegrityError):
            raise
        except psycopg.Error as error:
            # Not the values' fault: a standby that only reads, functions or rights that a release has not loaded yet, a broken
            # connection. Another one may lead to a better server or see what has changed.
            await self.close()
            raise OutcomeUnknown(f"Postgres failed or cannot be reached ({_first_line(error)})") from None
        finally:
            too_late.cancel()

    def abort(self) -> None:
        """Breaks a query that is under way, however long Postgres would take: it raises OutcomeUnknown. A cancelled one would wait
        for Postgres to say so."""
        if self._connection is None or self._connection.closed:
            return
        if self._connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
            with socket.socket(fileno=os.dup(self._connection.fileno())) as connected:
                connected.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]
