"""Promise: whoever sends a huge body to the webhook is refused by its length, before it is read."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from akashml.asgi import application


def test_a_body_that_is_too_long_is_refused_unread() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("it was read")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/stripe/webhook/", "query_string": b"", "headers": [(b"content-length", b"100000000000")],
    }  # fmt: skip
    asyncio.run(application(scope, receive, send))
    assert sent[0]["status"] == 413
