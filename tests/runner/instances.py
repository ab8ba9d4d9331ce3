"""Real instances for the tests of the runner: `python -m akashml.runner` in a folder and on a port of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.servers import FOREIGN, ROOT

START_S = 120
STOP_S = 25  # what is promised


def environment(**changes: str) -> dict[str, str]:
    """The shell of a user who has set nothing but `changes`."""
    return {name: value for name, value in os.environ.items() if name not in (*FOREIGN, "DATA_DIR")} | changes


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def processes_of(data_dir: Path) -> list[str]:
    """Every living process that was started for `data_dir`, wherever it hangs in the process tree."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("DATA_DIR") == str(data_dir):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


class Runner:
    """One start of the runner; `lines` is what it has printed so far."""

    def __init__(self, data_dir: Path, port: int, **changes: str) -> None:
        self.data_dir, self.port = data_dir, port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "akashml.runner"],
            cwd=ROOT,
            env=environment(**{"DATA_DIR": str(data_dir), "PORT": str(port)} | changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, as a terminal makes one
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: object, lines: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            lines.append(line.rstrip("\n"))

    def wait_ready(self) -> Runner:
        until(lambda: any(line.startswith("curl ") for line in self.lines) or self.process.poll() is not None, START_S, "ready")
        assert self.process.poll() is None, "\n".join(self.errors)
        return self

    def wait_ended(self, seconds: float = STOP_S) -> int:
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join()
        return code

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def said(self, beginning: str) -> str:
        """The rest of the printed line that begins so."""
        return next(line.removeprefix(beginning) for line in self.lines if line.startswith(beginning))

    def children(self, pattern: str) -> list[psutil.Process]:
        """The direct children whose command line matches."""
        return [child for child in psutil.Process(self.process.pid).children() if re.search(pattern, _command(child))]

    def status(self, path: str) -> int:
        """The HTTP status of a GET; 0 when there is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0
