"""The command line of each process of the product."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from akashml import settings
from akashml.runner import logs
from akashml.runner.listeners import BACKLOG
from akashml.runner.process import spawn
from akashml.runner.supervisor import Child

# After DRAIN_S a process ends what is still open, settles it, ends its housekeeping and closes its connections; uvicorn breaks off
# whatever still has a connection a second before the process is killed.
AFTER_DRAIN_S = 2


@dataclass(frozen=True)
class Programs:
    """Makes the children of one instance; the listeners are bound and stay ours over restarts."""

    log_dir: Path
    listener: socket.socket
    assistant_listener: socket.socket
    simulator_listener: socket.socket

    def web(self, number: int) -> Child:
        """`--workers 1`, since uvicorn would take WEB_CONCURRENCY for itself; forwarded addresses are judged by us (TRUSTED_PROXIES)."""
        arguments = [
            *("-m", "uvicorn", "akashml.asgi:application"),
            *("--fd", str(self.listener.fileno())),
            *("--workers", "1"),
            *("--loop", "uvloop", "--http", "akashml.asgi:HttpProtocol", "--lifespan", "on"),
            *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
            *("--backlog", str(BACKLOG)),
            *("--timeout-graceful-shutdown", str(math.ceil(settings.DRAIN_S) + AFTER_DRAIN_S - 1)),
            *("--log-level", "info", "--no-access-log", "--no-server-header", "--no-proxy-headers"),
        ]
        launch = self._python(f"web-{number}", arguments, signal.SIGKILL, self.listener)
        return Child(f"web {number}", launch, grace_s=settings.DRAIN_S + AFTER_DRAIN_S)

    def worker(self) -> Child:
        arguments = [
            *("-m", "celery", "-A", "akashml", "worker"),
            *("--concurrency", "2"),
            *("--loglevel", "WARNING"),
            "--without-gossip",
            "--without-mingle",
        ]
        return Child("worker", self._python("worker", arguments, signal.SIGKILL), grace_s=3)

    def beat(self) -> Child:
        schedule = settings.INSTANCE.data_dir / "beat-schedule"
        arguments = [*("-m", "celery", "-A", "akashml", "beat"), *("--schedule", str(schedule)), *("--loglevel", "WARNING")]
        return Child("beat", self._python("beat", arguments, signal.SIGKILL), grace_s=3)

    def assistant(self) -> Child:
        arguments = [
            *("-m", "uvicorn", "apps.docs_assistant.app:application"),
            *("--fd", str(self.assistant_listener.fileno())),
            *("--workers", "1"),
            *("--loop", "uvloop", "--http", "httptools"),
            *("--timeout-graceful-shutdown", "2"),
            *("--log-config", str(self._log_config()), "--no-access-log"),
        ]
        return Child("docs-assistant", self._python("docs-assistant", arguments, signal.SIGKILL, self.assistant_listener), grace_s=3)

    def simulator(self, secret_key: str, webhook_secret: str) -> Child:
        """Stripe's stand-in, which tells this instance's webhook what happens."""
        arguments = [
            *("-m", "uvicorn", "apps.stripe_simulator.app:application"),
            *("--fd", str(self.simulator_listener.fileno())),
            *("--workers", "1"),
            *("--loop", "uvloop", "--http", "httptools"),
            *("--timeout-graceful-shutdown", "2"),
            *("--log-config", str(self._log_config()), "--no-access-log"),
        ]
        own = {
            "STRIPE_SECRET_KEY": secret_key,
            "STRIPE_WEBHOOK_SECRET": webhook_secret,
            "STRIPE_SIMULATOR_FILE": str(settings.INSTANCE.data_dir / "stripe-simulator.sqlite3"),
            "STRIPE_SIMULATOR_ADDRESS": f"http://127.0.0.1:{self.simulator_listener.getsockname()[1]}",
            "STRIPE_SIMULATOR_WEBHOOK_URL": f"http://127.0.0.1:{settings.PORT}/stripe/webhook/",
        }
        launch = self._python("stripe-simulator", arguments, signal.SIGKILL, self.simulator_listener, own=own)
        return Child("stripe-simulator", launch, grace_s=3)

    def preparation(self, assistant_port: int) -> subprocess.Popen[bytes]:
        """Migrations and first data; it ends by itself."""
        return self._python("prepare", ["-m", "akashml.runner.prepare", str(assistant_port)], signal.SIGKILL)()

    def log(self, name: str) -> Path:
        return self.log_dir / f"{name}.log"

    def _log_config(self) -> Path:
        """LOG_FORMAT and LOG_LEVEL for programs that do not read our settings."""
        path = self.log_dir / "logging.json"
        path.write_text(json.dumps(settings.LOGGING))
        return path

    def _python(
        self, name: str, arguments: list[str], death_signal: signal.Signals, *listeners: socket.socket, own: dict[str, str] | None = None
    ) -> Callable[[], subprocess.Popen[bytes]]:
        log = logs.rotate(self.log(name))

        def launch() -> subprocess.Popen[bytes]:
            return spawn(
                [sys.executable, *arguments],
                log=log,
                death_signal=death_signal,
                env=environment() | (own or {}),
                cwd=settings.BASE_DIR,
                pass_fds=[listener.fileno() for listener in listeners],
            )

        return launch


def environment() -> dict[str, str]:
    """Ours, with DATA_DIR spelled out, since it may have been given relative to another folder.

    Python may keep compiled modules, whatever the shell says: a process that crashed is back in half the time.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "DATA_DIR": str(settings.INSTANCE.data_dir),
        "DJANGO_SETTINGS_MODULE": "akashml.settings",
        "PYTHONUNBUFFERED": "1",
    }
