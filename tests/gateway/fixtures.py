"""`money`: a session in a database of the test's own worker, whose clock the test sets, and whose ledger is checked afterwards.

The database is not the one that gateways under test use: with a clock set ahead, their leases would seem to have run out.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from apps.gateway.ledger_check import violations
from tests import servers
from tests.gateway.database import CLOCK, Database


@pytest.fixture(scope="session")
def money_url() -> str:
    """A database made from the migrated template, with the clock that can be set."""
    name = f"{servers.worker()}_money"
    with psycopg.connect(servers.database_url(servers.session(), "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(servers.TEMPLATE)))
    url = servers.database_url(servers.session(), name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CLOCK)
    return url


@pytest.fixture
def money(money_url: str) -> Iterator[Database]:
    """A session; Django's default connection leads to the same database until the test ends."""
    ordinary = connections["default"]
    own = connections.create_connection("default")
    own.settings_dict = ordinary.settings_dict | {"NAME": urlsplit(money_url).path.lstrip("/")}
    connections["default"] = own
    database = Database(money_url)
    try:
        # What earlier tests left open ends, so that a test may count what is reaped.
        database.run("DELETE FROM gateway_process")
        while database.reap():
            pass
        # Nor is anything folded: a test may set its clock to a time before the mark of another's.
        if database.run("UPDATE usage_rollupmark SET settled_until = '-infinity' WHERE settled_until > '-infinity'"):
            database.run("TRUNCATE usage_rollup")
        yield database
        assert violations() == []
    finally:
        database.close()
        own.close()
        connections["default"] = ordinary
