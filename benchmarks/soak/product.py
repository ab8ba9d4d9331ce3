"""The whole product under the soak: `python -m akashml.runner`, as `make run` starts it, and which process of it is which."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from akashml.runner.process import spawn, tail
from benchmarks.contenders import free_port
from benchmarks.loads import LoadFailed
from benchmarks.machine import family

ROOT = Path(__file__).resolve().parent.parent.parent
READY_S = 180.0
STOP_S = 40.0
WEB_PROCESSES = 2
LEASE_S = 3
# What stands in the command line of each kind of process that may be killed.
KINDS = {"web": "akashml.asgi", "worker": "celery -A akashml worker", "valkey": "valkey-server", "postgres": "bin/postgres -D"}


@dataclass
class Product:
    """`folder` is for logs; the product's own data is in `folder/instance`, which DATA_DIR names."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, stack: ExitStack) -> None:
        """Raises LoadFailed when it is not ready in time."""
        self.port = free_port()
        log = self.folder / "run.log"
        variables = {"PORT": str(self.port), "WEB_CONCURRENCY": str(WEB_PROCESSES), "LEASE_S": str(LEASE_S), "SERVE": "all", "DRAIN_S": "3"}
        os.environ.update(variables)
        self.process = spawn([sys.executable, "-m", "akashml.runner"], log=log, death_signal=signal.SIGTERM, env=dict(os.environ), cwd=ROOT)
        stack.callback(self.stop)
        deadline = time.monotonic() + READY_S
        while b"\nready: " not in b"\n" + log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LoadFailed(f"the product did not start. The end of {log}:\n{tail(log)}")
            time.sleep(0.2)
        import django

        django.setup()

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def pids(self, kind: str) -> list[int]:
        """The processes of a kind that the supervisor started itself; their own children end with them."""
        assert self.process is not None
        found = []
        for pid in family(self.process.pid)[1:]:
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended meanwhile
            if KINDS[kind] in command and parent == self.process.pid:
                found.append(pid)
        return found

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """All web processes are there and admit. Raises LoadFailed."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if len(self.pids("web")) == WEB_PROCESSES and all(
                    httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200 for _ in range(4 * WEB_PROCESSES)
                ):
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise LoadFailed(f"the product did not come back within {timeout_s:g} s; logs are in {self.folder}")
            time.sleep(0.5)
