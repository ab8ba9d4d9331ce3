"""Servers for the tests: one Postgres and one Valkey per test session, and servers of their own for tests that break them.

The process that the user started (with pytest-xdist: the controller) owns the session's servers; workers find them by an
environment variable. Each worker has a Postgres database of its own, copied from a migrated template, and a Valkey database
of its own. The servers carry a death signal, so that they end with their owner however it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from akashml.instance import Instance
from akashml.runner import servers
from akashml.runner.postgres import Postgres
from akashml.runner.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
FOLDER_VARIABLE = "AKASHML_TEST_DIR"
TEMPLATE = "template_akashml"
SMALL = {"shared_buffers": "64MB", "maintenance_work_mem": "32MB", "max_wal_size": "512MB", "log_min_messages": "warning"}
# What is committed need not survive the session; tests about durability start a server of their own.
FORGETFUL = SMALL | {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Whatever the caller's shell says about a running instance must not reach the tests.
FOREIGN = (
    "ALLOWED_HOSTS", "ALLOW_PRIVATE_BACKENDS", "API_BASE_URL", "BACKEND_TIMEOUT_S", "BASE_URL", "DATABASE_URL", "DEBUG", "DRAIN_S", "EMAIL_URL",
    "CLIENT_IDLE_S", "ENVIRONMENT", "FORM_TARGETS", "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "JOURNAL_MAX_BYTES", "KEY_PEPPER", "LEASE_S", "LOG_LEVEL", "LOW_BALANCE_USD",
    "MAINTENANCE", "MAX_REQUEST_BYTES", "METRICS_TOKEN", "PING_EVERY_S", "PORT", "REDIS_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "SERVE", "STRIPE_API_BASE", "STRIPE_SECRET_KEY", "STRIPE_TIMEOUT_S",
    "STRIPE_WEBHOOK_SECRET", "TOPUP_MAX_USD", "TOPUP_MIN_USD", "TRIAL_CREDIT_DAYS", "TRIAL_CREDIT_USD", "TRUSTED_PROXIES", "WEB_CONCURRENCY",
)  # fmt: skip


def worker() -> str:
    """`gw0`, `gw1`, … in a worker of pytest-xdist; `main` without it."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def is_owner() -> bool:
    return worker() == "main"


def session() -> Instance:
    """The session's servers live in this folder; the owner makes it."""
    if is_owner() and FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="akashml-test-")
    return Instance(Path(os.environ[FOLDER_VARIABLE]))


def database_url(instance: Instance, name: str) -> str:
    return f"postgresql://akashml@:5432/{name}?host={quote(str(instance.socket_dir), safe='')}"


def redis_url(instance: Instance) -> str:
    number = 0 if is_owner() else 1 + int(worker().removeprefix("gw")) % 15
    return f"unix://{instance.valkey_socket}?db={number}"


def set_environment() -> None:
    """Point the settings of this process and of those it starts at its own databases."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    instance = session()
    os.environ["DATA_DIR"] = str(instance.data_dir / worker())
    os.environ["DATABASE_URL"] = database_url(instance, worker())
    os.environ["REDIS_URL"] = redis_url(instance)


def migrate(url: str) -> None:
    """Run all migrations on the database at `url`. Raises AssertionError with the command's output."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"migrate failed:\n{done.stdout}{done.stderr}"


class SessionServers:
    """The owner's grip on the session's servers."""

    def __init__(self) -> None:
        self.instance = session()
        self.running: list[tuple[servers.Server, subprocess.Popen[bytes]]] = []

    def start(self) -> None:
        folder = self.instance.data_dir
        for server in (Postgres(self.instance, folder / "postgres.log", FORGETFUL), Valkey(self.instance, folder / "valkey.log")):
            self.running.append((server, servers.start(server)))
            if isinstance(server, Postgres):
                server.create_database(TEMPLATE)
                migrate(database_url(self.instance, TEMPLATE))

    def stop(self) -> None:
        for server, process in reversed(self.running):
            servers.stop(server, process)
        self.running.clear()
        shutil.rmtree(self.instance.data_dir, ignore_errors=True)


def create_worker_database() -> None:
    """This worker's database, fresh from the template."""
    name = sql.Identifier(worker())
    with psycopg.connect(database_url(session(), "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(TEMPLATE)))


@dataclass
class OwnServer:
    """A server that a test may stop, kill and start again; data on disk survives. Use as a context manager."""

    server: servers.Server
    url: str
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OwnServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        assert self.process is None, "it is running"
        self.process = servers.start(self.server)

    def stop(self) -> None:
        """An orderly stop, as an administrator does it."""
        if self.process is not None:
            servers.stop(self.server, self.process)
            self.process = None

    def kill(self) -> None:
        """As if the machine had lost power, but for what the kernel still writes. All of its processes at once: one that outlives
        the others may wait for ever for a lock of theirs, hold its client, and keep the server from starting again."""
        assert self.process is not None, "it is not running"
        processes = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()


def own_postgres(folder: Path) -> OwnServer:
    """A durable Postgres in `folder` (fsync on), to be entered; its database `akashml` is made by `make_database`."""
    instance = Instance(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return OwnServer(Postgres(instance, folder / "postgres.log", SMALL), database_url(instance, "akashml"))


def make_database(postgres: OwnServer) -> None:
    """The migrated database `akashml` in a server of a test's own."""
    assert isinstance(postgres.server, Postgres)
    postgres.server.create_database()
    migrate(postgres.url)


def own_valkey(folder: Path) -> OwnServer:
    instance = Instance(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return OwnServer(Valkey(instance, folder / "valkey.log"), f"unix://{instance.valkey_socket}")
