"""Promise: a process has loaded all of its code before its first request. A module that a view brings along with the first request for
it would stop every stream of the process until it is there: once these were fonts for receipts, for more than a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ASK = """
import asyncio, json, sys
from akashml.asgi import application

async def ask(path):
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"localhost")]}
    scope |= {"http_version": "1.1", "scheme": "http", "asgi": {"version": "3.0"}, "client": ("127.0.0.1", 1)}
    statuses, bodies = [], [{"type": "http.request", "body": b"", "more_body": False}]
    async def receive():
        return bodies.pop() if bodies else await asyncio.Event().wait()
    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
    await application(scope, receive, send)
    return statuses

before = set(sys.modules)
statuses = {path: asyncio.run(ask(path)) for path in sys.argv[1:]}
print(json.dumps([statuses, sorted(set(sys.modules) - before), sorted(before)]))
"""
HEAVY = {"fpdf", "fontTools", "numpy", "stripe", "twisted"}


def loaded(serve: str, *paths: str) -> tuple[dict[str, list[int]], list[str], list[str]]:
    """The answers' statuses, what they loaded, and what was loaded before them."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *paths], env=os.environ | {"SERVE": serve}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    statuses, during, before = json.loads(done.stdout.splitlines()[-1])
    return statuses, during, before


@pytest.mark.parametrize("serve", ["gateway", "all"])
def test_the_first_request_finds_every_view_loaded(serve):
    statuses, during, before = loaded(serve, "/v1/models", "/anthropic", "/v1/nothing", "/nothing")
    assert statuses == {"/v1/models": [401], "/anthropic": [200], "/v1/nothing": [404], "/nothing": [404]}
    assert [name for name in during if name.startswith(("apps.", "akashml.", "allauth.", "rest_framework."))] == []
    assert HEAVY.isdisjoint(name.partition(".")[0] for name in during)
    assert HEAVY.isdisjoint(name.partition(".")[0] for name in before)
    assert "opentelemetry.exporter" not in before  # there is no collector


def test_a_gateway_alone_never_loads_the_pages():
    _, _, before = loaded("gateway")
    assert "akashml.api_urls" in before
    assert "akashml.urls" not in before
