"""Django servers that are not uvicorn with lifespan: daphne's `runserver`, a WSGI server, uvicorn without lifespan.

By hand, the WSGI server: `python -m tests.api.django_servers PORT`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from akashml.runner.process import spawn
from tests.ports import free_port
from tests.servers import ROOT

START_S = 120.0
COMMANDS = {
    "daphne": ("manage.py", "runserver", "--noreload", "--skip-checks", "{port}"),
    "WSGI": ("-m", "tests.api.django_servers", "{port}"),
    "uvicorn without lifespan": (
        "-m",
        "uvicorn",
        "akashml.asgi:application",
        "--port",
        "{port}",
        "--lifespan",
        "off",
        "--no-server-header",
    ),
}


@dataclass(frozen=True)
class DjangoServer:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"


@contextmanager
def django_server(kind: str) -> Iterator[DjangoServer]:
    """A running server of a kind of COMMANDS. Raises AssertionError with its log when it does not come up."""
    port = free_port()
    handle, name = tempfile.mkstemp(prefix=f"django-{port}-", suffix=".log")
    os.close(handle)
    log = Path(name)
    command = [sys.executable, *(part.format(port=port) for part in COMMANDS[kind])]
    environment = os.environ | {"SERVE": "pages", "ALLOW_PRIVATE_BACKENDS": "1", "BACKEND_TIMEOUT_S": "60", "LEASE_S": "5"}
    process = spawn(command, log=log, death_signal=signal.SIGKILL, env=environment, cwd=ROOT)
    try:
        _wait_until_it_listens(process, port, log)
        yield DjangoServer(port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.unlink()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, f"the server ended with {process.returncode}:\n{log.read_text(errors='replace')}"
        assert time.monotonic() < deadline, f"the server was not up within {START_S} s:\n{log.read_text(errors='replace')}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)


def serve_wsgi(port: int) -> None:
    """Django's own threaded server over wsgiref."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "akashml.settings"
    from django.core.servers.basehttp import run
    from django.core.wsgi import get_wsgi_application

    run("127.0.0.1", port, get_wsgi_application(), threading=True)


if __name__ == "__main__":
    serve_wsgi(int(sys.argv[1]))
