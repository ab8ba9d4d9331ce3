"""Warnings and errors in a web process's log reach the terminal, whole; the rest stays in the file."""

from __future__ import annotations

from pathlib import Path

from akashml.runner.logs import KEPT, Alarms, rotate


def test_a_traceback_is_shown_with_its_error_and_nothing_after_it(tmp_path: Path) -> None:
    log = tmp_path / "web-1.log"
    alarms = Alarms(log)
    assert alarms.news() == []
    log.write_text(
        "INFO:     started\n2026-01-01 00:00:00,000 ERROR apps.gateway: lost\nTraceback (most recent call last):\n  boom\nINFO:     an ERROR said in passing\nhalf a li"
    )
    assert alarms.news() == ["2026-01-01 00:00:00,000 ERROR apps.gateway: lost", "Traceback (most recent call last):", "  boom"]
    with log.open("a") as file:
        file.write("ne\nWARNING:  slow\n")
    assert alarms.news() == ["WARNING:  slow"]
    assert alarms.news() == []


def test_the_logs_of_the_last_runs_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "web-1.log"
    for run in range(KEPT + 2):
        rotate(log).write_text(f"run {run}")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "web-1.log": "run 4",
        "web-1.log.1": "run 3",
        "web-1.log.2": "run 2",
        "web-1.log.3": "run 1",
    }
