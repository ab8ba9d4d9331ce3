"""A Stripe simulator of a test's own: a process that may be killed and started again, and its control address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from akashml.runner.listeners import bind
from tests.servers import FOREIGN, ROOT

SECRET_KEY = "sk_test_simulated"
WEBHOOK_SECRET = "whsec_simulated"
START_S = 60


class Simulator:
    """Use as a context manager. The port stays ours over restarts, so that connections wait while nobody listens."""

    def __init__(self, folder: Path, webhook_url: str = "") -> None:
        self.listener = bind(0)
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.file, self.log, self.webhook_url = folder / "stripe.sqlite3", folder / "stripe.log", webhook_url
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What makes the platform's processes use this simulator."""
        return {"STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "STRIPE_API_BASE": self.address}

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        self.listener.close()

    def start(self) -> None:
        own = {
            "STRIPE_SIMULATOR_FILE": str(self.file),
            "STRIPE_SIMULATOR_ADDRESS": self.address,
            "STRIPE_SIMULATOR_WEBHOOK_URL": self.webhook_url,
        }
        number = self.listener.fileno()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "apps.stripe_simulator.app:application", "--fd", str(number), "--no-access-log"],
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if name not in FOREIGN} | own | self.environment,
                stdout=log,
                stderr=log,
                pass_fds=[number],
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            assert self.process is not None, "it was not started"
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=1):
                    return
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()

    def kill(self) -> None:
        """SIGKILL, as if the machine had lost it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart_if_dead(self) -> None:
        """After a fault that killed it."""
        if self.process is not None:
            self.process.wait(10)
            self.process = None
        self.start()

    def ask(self, name: str, body: dict[str, Any] | None = None) -> Any:
        """GET, or with a body POST, /_control/NAME. AssertionError with the answer when it is refused."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_control/{name}", data, {"Authorization": f"Bearer {SECRET_KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{name}: {error.code} {error.read().decode()}") from None

    def fault(self, kind: str, path: str = "/v1/.*", **fields: Any) -> None:
        self.ask("faults", {"kind": kind, "path": path, **fields})

    def books(self) -> Any:
        return self.ask("books")

    def pay(self, session_id: str, number: str = "4242424242424242", **fields: Any) -> Any:
        """As a customer on the Checkout page: the session afterwards."""
        return self.ask("pay", {"session": session_id, "number": number, **fields})
