"""How the tests meet the product: real servers, a database per worker, and the ledger checked after every test about money."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pytest_django import DjangoDbBlocker

from tests import servers

# Django's settings are read from the environment once, so it has to be right before anything imports them. The name of the
# settings module must not stay behind in the environment: pytest-django in a worker of pytest-xdist would load them before us.
servers.set_environment()
os.environ["DJANGO_SETTINGS_MODULE"] = "akashml.settings"

import django  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402
from django.db import connections  # noqa: E402

django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]
if os.environ["DATABASE_URL"] != django_settings.DATABASE_URL:
    pytest.exit("Django's settings were loaded before tests/conftest.py: unset DJANGO_SETTINGS_MODULE, and drop --ds.", returncode=4)

import httpx  # noqa: E402

from tests import sealed_sessions  # noqa: E402

# The five seconds that httpx waits unless told otherwise are less than an answer may take on a busy machine.
for wait in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, wait, 60.0)

sealed_sessions.teach_django_test_client()

pytest_plugins = ["tests.fakes.fixtures"]

session_servers = servers.SessionServers() if servers.is_owner() else None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "money: the ledger's invariants are checked after this test")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    if session_servers is not None:
        session_servers.start()
    if not session.config.getoption("numprocesses", None):  # the controller of pytest-xdist runs no test itself
        servers.create_worker_database()


def pytest_unconfigure(config: pytest.Config) -> None:
    if session_servers is not None:
        session_servers.stop()


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """In place of pytest-django's: the database is there already, migrated."""


@pytest.fixture(scope="session", autouse=True)
def database_open_to_every_test(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tests really commit and make accounts of their own; nothing is rolled back, since other processes take part in them."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def database_url() -> str:
    """This worker's Postgres database."""
    return os.environ["DATABASE_URL"]


@pytest.fixture(scope="session")
def redis_url() -> str:
    """This worker's Valkey database."""
    return os.environ["REDIS_URL"]


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[servers.OwnServer]:
    """A Postgres for one test, durable, with the migrated database at `.url`: it may be killed and started again."""
    with servers.own_postgres(tmp_path / "own") as server:
        servers.make_database(server)
        yield server


@pytest.fixture
def own_database(own_postgres: servers.OwnServer) -> Iterator[servers.OwnServer]:
    """Django's default connection leads to the test's own Postgres until it ends, in every thread that the test begins too."""
    ordinary, place = connections["default"], connections.settings["default"]
    parts = urlsplit(own_postgres.url)
    host = unquote(parse_qs(parts.query)["host"][0])
    connections.settings["default"] = place | {
        "NAME": parts.path.lstrip("/"),
        "HOST": host,
        "PORT": str(parts.port),
        "USER": parts.username,
    }
    connections["default"] = own = connections.create_connection("default")
    yield own_postgres
    own.close()
    connections.settings["default"] = place
    connections["default"] = ordinary


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[servers.OwnServer]:
    """A Valkey for one test: it may be killed and started again."""
    with servers.own_valkey(tmp_path / "own") as server:
        yield server


@pytest.fixture(autouse=True)
def ledger_is_sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test marked `money`, whatever happened in it, the invariants of the ledger hold."""
    yield
    if request.node.get_closest_marker("money"):
        from apps.gateway.ledger_check import violations

        assert violations() == []
