"""Waiting until what was started can be used."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

from akashml.runner import events
from akashml.runner.errors import StartError
from akashml.runner.process import tail
from akashml.runner.supervisor import Child

PAUSE_S = 0.05
TIMEOUT_S = 90
STARTED = "Application startup complete"


def wait_for(children: list[Child], logs: list[Path], port: int, path: str) -> None:
    """Return when every process says in its log that it has started, and `path` answers 200.

    The processes share one socket, so that a request alone shows only that one of them is there. Raises StartError.
    """
    deadline = time.monotonic() + TIMEOUT_S
    answer = "no answer yet"
    while True:
        for child, log in zip(children, logs, strict=True):
            if not child.alive:
                raise StartError(f"{child.name} ended while starting. The end of {log}:\n{tail(log)}")
        if all(STARTED in log.read_text(errors="replace") for log in logs):
            answer = probe(port, path)
            if answer == "200":
                return
        if time.monotonic() > deadline:
            names = ", ".join(child.name for child in children)
            raise StartError(f"{names}: not ready after {TIMEOUT_S} s ({path}: {answer}). The end of {logs[0]}:\n{tail(logs[0])}")
        events.wait(PAUSE_S)


def probe(port: int, path: str) -> str:
    """The status and, unless it is 200, the beginning of the answer's text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read(500).decode(errors="replace")
        return "200" if response.status == 200 else f"{response.status} {text}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
