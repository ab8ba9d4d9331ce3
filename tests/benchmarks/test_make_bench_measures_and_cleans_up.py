"""`make bench` runs from nothing to a table, and leaves nothing running when it is broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.contenders import MockBackend, Nginx
from benchmarks.loads import BURST_64, WHOLE_64, put
from benchmarks.machine import Cores, family
from benchmarks.rounds import check_answer
from tests.benchmarks.conftest import needs
from tests.gateway.waiting import wait_for
from tests.servers import FOREIGN, ROOT

QUICKLY = ["--quick", "--only", "whole64", "--rounds", "1", "--seconds", "1"]


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """SIGINT, by what is started here: what a shell starts in the background ignores it, and hands that down."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


def bench(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"DATA_DIR": str(folder)} | variables
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_quick_run_ends_with_a_table_and_sound_books(tmp_path: Path) -> None:
    needs("cc", "wrk", "nginx")
    process = bench(tmp_path, *QUICKLY)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    rows = {line.split("|")[1].strip(): line for line in output.splitlines() if line.startswith("|")}
    assert rows.keys() >= {"direct", "nginx", "ours"}, output
    assert "check_ledger: ok" in output
    assert "### Targets" in (tmp_path / "bench" / "results.md").read_text()
    assert not (tmp_path / "bench" / "instance").exists()


def test_what_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    process = bench(tmp_path, *QUICKLY, PATH=str(tmp_path))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not installed: cc, wrk" in output
    assert "apt install gcc libc6-dev wrk" in output
    assert not (tmp_path / "bench").exists()


def test_breaking_it_off_leaves_nothing_running(tmp_path: Path) -> None:
    needs("cc", "wrk", "nginx")
    process = bench(tmp_path, *QUICKLY)
    started: set[int] = set()

    def postgres_runs() -> bool:
        started.update(family(process.pid))
        return (tmp_path / "bench" / "instance" / "postgres" / "postmaster.pid").exists()

    wait_for(postgres_runs, 60, "Postgres to start")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert len(started) > 2
    assert [pid for pid in started if Path(f"/proc/{pid}/exe").exists() and Path(f"/proc/{pid}").stat().st_uid == os.getuid()] == []
    assert not (tmp_path / "bench" / "instance").exists()


def test_wrk_counts_what_the_backend_served(mock_backend: MockBackend, tmp_path: Path) -> None:
    needs("wrk")
    before = mock_backend.served()["requests"]
    answered = put(WHOLE_64, mock_backend.url(WHOLE_64), ["one", "two"], 1, tmp_path)
    served = mock_backend.served()["requests"] - before
    assert (answered.refused, answered.broken) == (0, 0)
    assert answered.requests <= served <= answered.requests + WHOLE_64.connections
    assert 0.9 < answered.seconds < 5
    assert 0 < answered.p50_us <= answered.p99_us


def test_wrk_sees_refusals(mock_backend: MockBackend, tmp_path: Path) -> None:
    needs("wrk")
    answered = put(WHOLE_64, f"{mock_backend.address}/nothing", ["one"], 1, tmp_path)
    assert answered.refused == answered.requests > 0


def test_nginx_passes_answers_on(mock_backend: MockBackend, tmp_path: Path) -> None:
    needs("nginx")
    nginx = Nginx(mock_backend, tmp_path, Cores(gateway=0, load=0))
    with ExitStack() as stack:
        nginx.start(stack)
        for load in (WHOLE_64, BURST_64):
            check_answer(nginx, load)
        assert len(nginx.pids()) == 2
