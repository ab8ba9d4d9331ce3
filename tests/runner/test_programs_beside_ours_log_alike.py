"""Promise: the docs assistant and Stripe's stand-in, which read none of our settings, log as LOG_FORMAT and LOG_LEVEL say all the same."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from akashml import logs, settings
from akashml.runner.programs import Programs
from akashml.runner.supervisor import Child
from tests.runner.instances import START_S, until


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    monkeypatch.setattr(settings, "INSTANCE", type(settings.INSTANCE)(tmp_path))
    monkeypatch.setattr(settings, "LOGGING", logs.configuration(line_format="json", level="INFO"))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield Programs(tmp_path, one, other, other)


@pytest.mark.parametrize("name", ["docs-assistant", "stripe-simulator"])
def test_each_line_is_an_object(programs: Programs, name: str) -> None:
    child: Child = programs.assistant() if name == "docs-assistant" else programs.simulator("sk_test_x", "whsec_x")
    process = child.launch()
    try:
        until(lambda: "startup complete" in programs.log(name).read_text(), START_S, "the program runs")
    finally:
        process.terminate()
        process.wait(START_S)
    lines = [json.loads(line) for line in programs.log(name).read_text().splitlines()]
    assert all({"time", "level", "logger", "message", "process"} <= line.keys() for line in lines)
    assert {line["process"] for line in lines} == {process.pid}
