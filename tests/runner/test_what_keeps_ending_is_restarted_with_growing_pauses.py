"""A process that ends is restarted at once; one that keeps ending does not take the machine with it, and says so."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from akashml.runner import supervisor
from akashml.runner.process import spawn
from akashml.runner.supervisor import Child, Supervisor, stop_together
from tests.runner.instances import until


def test_the_pauses_grow_and_a_long_life_forgives_them() -> None:
    child = Child("web", launch=lambda: pytest.fail("not started here"))
    child.started_at = time.monotonic()
    assert [child.delay() for _ in range(8)] == [0, 0.5, 1, 2, 4, 8, 10, 10]
    child.started_at = time.monotonic() - supervisor.STEADY_S
    assert child.delay() == 0


def test_it_is_started_again_and_again_while_the_others_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 0.05)
    starts: list[int] = []

    def failing() -> subprocess.Popen[bytes]:
        process = spawn(["sh", "-c", "exit 3"], log=tmp_path / "log", death_signal=signal.SIGKILL)
        starts.append(process.pid)
        return process

    def steady() -> subprocess.Popen[bytes]:
        return spawn(["sleep", "60"], log=tmp_path / "log", death_signal=signal.SIGKILL)

    watched = Supervisor()
    watched.add(Child("steady", steady))
    watched.add(Child("failing", failing))
    (first,) = (child.process for child in watched.children if child.name == "steady")
    try:
        until(lambda: watched.look_after() and len(starts) >= 4, 10, "three restarts")
        (still,) = (child.process for child in watched.children if child.name == "steady")
        assert still is first
        assert "failing ended with 3: starting it again in 0.05 s" in capsys.readouterr().err
    finally:
        for child in watched.children:
            if child.process is not None and child.alive:
                child.process.kill()
                child.process.wait()


def test_what_a_killed_process_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    script = f"sleep 60 & echo $! > '{pidfile}.new'; mv '{pidfile}.new' '{pidfile}'; wait"
    child = Child(
        "worker", lambda: spawn(["sh", "-c", script], log=tmp_path / "log", death_signal=signal.SIGKILL), stop_signal=signal.SIGKILL
    )
    child.start()
    until(pidfile.exists, 5, "the script runs")
    helper = Path(f"/proc/{pidfile.read_text().strip()}/status")
    assert helper.exists()
    stop_together([child])
    until(lambda: not helper.exists() or "State:\tZ" in helper.read_text(), 5, "its helper is gone")
