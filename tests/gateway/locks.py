"""Slow transactions: locks that the gateway has to wait for, and what its connections are doing meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from tests.gateway.waiting import wait_for


class Activity(NamedTuple):
    """A connection of the gateway, from pg_stat_activity."""

    pid: int
    started: float
    waits_for_lock: bool


def activity(name: str) -> list[Activity]:
    """The statements that run or ran last on the gateways' connections for `name` (admission, settlement, lease, housekeeping).

    `started` in Unix seconds of the database."""
    query = """SELECT pid, extract(epoch FROM query_start)::float8 AS started, state = 'active' AND wait_event_type IS NOT DISTINCT FROM 'Lock' AS waits
               FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        return [Activity(*row) for row in connection.execute(query, (f"akashml {name}",)).fetchall()]


def cut(connection: Activity) -> None:
    """Breaks a connection of the gateway, as a restart of Postgres or a network would."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as own:
        own.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.pid,))


class SlowTransaction:
    """An open transaction that holds a lock until `end`; `since` is when it had it (Unix seconds of the database)."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection
        self.since = float(str(connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchall()[0][0]))

    def end(self) -> None:
        self._connection.rollback()

    def wait_until_met_by(self, name: str) -> None:
        """Waits for a statement of the gateways' connection `name` that began after the lock was taken."""
        wait_for(lambda: any(a.started > self.since for a in activity(name)), what=f"a statement of {name} against the lock")

    def blocks(self, name: str) -> bool:
        """Whether a connection for `name` waits for a lock at this moment."""
        return any(a.waits_for_lock for a in activity(name))

    def wait_until_it_blocks(self, name: str) -> None:
        wait_for(lambda: self.blocks(name), what=f"{name} waits for a lock")


@contextmanager
def locked(statement: str, *values: object) -> Iterator[SlowTransaction]:
    """Runs a statement that takes a lock, in a transaction of its own that stays open."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(statement, values)
        slow = SlowTransaction(connection)
        try:
            yield slow
        finally:
            slow.end()


@contextmanager
def locked_account(account_id: int) -> Iterator[SlowTransaction]:
    """As a slow page or top-up would hold it."""
    with locked("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", account_id) as slow:
        yield slow
