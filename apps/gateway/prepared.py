"""A prepared statement whose parameters are bytes already: one round trip with as little as libpq asks for.

psycopg's cursors convert, prepare and wait in general ways; the two statements that every request needs are always the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGconn, PGresult

BINARY = pq.Format.BINARY
# So often whoever waits looks for itself. uvloop tells a reader once of a socket that is in an error, as after a reset, and then never
# again, though words of the server may stand before the end that it has not told of.
LOOK_S = 0.25


@dataclass(frozen=True)
class Prepared:
    """`query` has its parameters as $1 … $n, each with its type: `$1::bigint[]`."""

    name: str
    query: str
    parameters: int

    async def prepare(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Once for each connection. Raises psycopg.Error."""
        connection.pgconn.send_prepare(self.name.encode(), self.query.encode())
        await _result(connection.pgconn)

    async def rows(self, connection: psycopg.AsyncConnection[Any], values: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """Runs it with values in binary form. Nobody else may use the connection meanwhile. Raises psycopg.Error; when it is cancelled
        the connection is of no more use."""
        connection.pgconn.send_query_prepared(self.name.encode(), values, [BINARY] * self.parameters, BINARY)
        result = await _result(connection.pgconn)
        transformer = Transformer(connection)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)


async def _result(pgconn: PGconn) -> PGresult:
    """The one result of what was sent. Raises psycopg.Error."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[PGresult] = loop.create_future()
    results: list[PGresult] = []
    timer: asyncio.TimerHandle | None = None
    socket, waiting = pgconn.socket, True
    unsent = pgconn.flush() != 0

    def stop() -> None:
        """In the callback that ends it, not later: libpq has closed a socket that broke, and its number may be another's by then."""
        nonlocal waiting
        if waiting:
            waiting = False
            if timer is not None:
                timer.cancel()
            loop.remove_reader(socket)
            loop.remove_writer(socket)

    def writable() -> None:
        try:
            if pgconn.flush() == 0:
                loop.remove_writer(socket)
        except psycopg.Error as error:
            fail(error)

    def readable() -> None:
        try:
            pgconn.consume_input()
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    stop()
                    if not done.done():
                        done.set_result(results[-1])
                    return
                results.append(result)  # an error or the rows; a connection that broke gives an error too
        except psycopg.Error as error:
            fail(error)

    def look() -> None:
        nonlocal timer
        readable()
        if waiting:
            timer = loop.call_later(LOOK_S, look)

    def fail(error: psycopg.Error) -> None:
        stop()
        if not done.done():
            done.set_exception(error)

    loop.add_reader(socket, readable)
    timer = loop.call_later(LOOK_S, look)
    if unsent:
        loop.add_writer(socket, writable)
    try:
        result = await done
    finally:
        stop()
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return result
    raise psycopg.errors.error_from_result(result)
