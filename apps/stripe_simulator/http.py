"""As much of HTTP as the simulator needs on top of ASGI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Answer:
    """`cut`: only the head is sent, and the connection is closed in the middle of the answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


def in_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value, indent=2).encode(), headers=headers)


def to(address: str) -> Answer:
    """Go there with a GET."""
    return Answer(303, b"", "text/plain", {"location": address})


async def read(scope: Scope, receive: Receive) -> Request | None:
    """The whole request; None when its body is too long or its client went away."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, bytes(body))


async def write(answer: Answer, send: Send) -> None:
    size = len(answer.body) + (1000 if answer.cut else 0)
    headers = {"content-type": answer.content_type, "content-length": str(size), **answer.headers}
    raw = [(name.replace("_", "-").encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if not answer.cut:
        await send({"type": "http.response.body", "body": answer.body})
