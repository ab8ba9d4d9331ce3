"""Gateway processes for tests: uvicorn as in production, one process each, against the database of this pytest worker.

    with start(1) as [gateway]: …
    one, two = start_gateways(2, LEASE_S="2")     # in a test: the fixture `gateways(2, LEASE_S="2")`

A process that was killed or frozen is cleaned up like any other. Its log is kept in a file and shown when a test fails.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from akashml.runner.process import spawn
from tests.ports import free_port
from tests.servers import ROOT

START_S = 120.0  # a busy machine with two cores may start a dozen of these at once
# For tests: short enough to wait for, and nothing that outlives a test's failure.
DEFAULTS = {"SERVE": "gateway", "LOG_LEVEL": "INFO", "BACKEND_TIMEOUT_S": "60", "DRAIN_S": "3", "ALLOW_PRIVATE_BACKENDS": "1"}

# Without certificates, whose loading costs more than many answers.
_client = httpx.Client(verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
running: list[GatewayProcess] = []
"""All of this pytest process, for showing their logs."""


class GatewayProcess:
    """One process; `start_gateways` makes it. `url` is `http://127.0.0.1:PORT`, `base_url` the same with /v1 (what SDKs want)."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.url}/v1"
        handle, name = tempfile.mkstemp(prefix=f"gateway-{self.port}-", suffix=".log")
        os.close(handle)
        self.log_path = Path(name)
        command = [
            *(sys.executable, "-m", "uvicorn", "akashml.asgi:application", "--host", "127.0.0.1", "--port", str(self.port)),
            *(
                "--loop",
                "uvloop",
                "--http",
                "akashml.asgi:HttpProtocol",
                "--lifespan",
                "on",
                "--ws",
                "websockets-sansio",
                "--ws-per-message-deflate",
                "false",
                "--no-access-log",
                "--no-server-header",
                "--no-proxy-headers",
            ),
            *("--timeout-graceful-shutdown", "5"),
        ]
        variables = os.environ | {"PORT": str(self.port)} | DEFAULTS | environment
        self.process = spawn(command, log=self.log_path, death_signal=signal.SIGKILL, env=variables, cwd=ROOT)
        running.append(self)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self, timeout: float = START_S) -> None:
        """Returns when /readyz says so. Raises AssertionError with the log when the process ends or takes too long."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            assert self.alive, f"the gateway ended with {self.process.returncode} while starting:\n{self.log()}"
            assert time.monotonic() < deadline, f"the gateway was not ready within {timeout} s:\n{self.log()}"
            time.sleep(0.05)

    def ready(self) -> bool:
        try:
            return _client.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def log(self, start: int = 0) -> str:
        """What it has written, from a byte on; see `log_size`."""
        return self.log_path.read_bytes()[start:].decode(errors="replace")

    def log_size(self) -> int:
        return self.log_path.stat().st_size

    def kill(self) -> None:
        """`kill -9`; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it neither runs nor answers, and its connections stay."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM: it drains. Does not wait; see `wait_ended`."""
        self.process.terminate()

    def wait_ended(self, timeout: float = 15.0) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        return self.process.wait(timeout)

    def stop(self) -> None:
        """Ends it, whatever state it is in, and forgets its log."""
        if self.alive:
            self.thaw()
            self.terminate()
            try:
                self.wait_ended()
            except subprocess.TimeoutExpired:
                self.kill()
        if self in running:
            running.remove(self)
            self.log_path.unlink(missing_ok=True)


def start_gateways(count: int, **environment: str) -> list[GatewayProcess]:
    """`count` processes, started together and ready; `environment` overrides what this worker's own says. The caller stops them."""
    started: list[GatewayProcess] = []
    try:
        started += [GatewayProcess(environment) for _ in range(count)]
        for process in started:
            process.wait_ready()
    except BaseException:
        for process in started:
            process.stop()
        raise
    return started


@contextmanager
def gateways_running(count: int, **environment: str) -> Iterator[list[GatewayProcess]]:
    """`start_gateways` for a `with` statement."""
    started = start_gateways(count, **environment)
    try:
        yield started
    finally:
        for process in started:
            process.stop()
