"""The one who called: what the story needs to know of it, whichever door it came through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from apps.gateway.errors import Header
from apps.gateway.keyring import KeyEntry


class Call(Struct, frozen=True, gc=False):
    """An API call as it came in. `key` is whose it is, `arrived` time.monotonic()."""

    id: UUID
    key: KeyEntry
    body: bytes
    arrived: float


class Client(Protocol):
    """Where an answer goes. Writing waits while the client reads slowly, up to CLIENT_IDLE_S: then it counts as gone, and whoever
    asked to be called back is. Writing to one that has gone does nothing."""

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Status and headers. `Inference-Id` is the story's to set."""
        ...

    async def send(self, data: bytes, *, last: bool) -> None: ...

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Calls back once when the client disconnects before its answer has ended (at once if it has already)."""
        ...


def bearer(authorization: str | None, x_api_key: str | None) -> str | None:
    """The API key of a request: `Authorization: Bearer …`, else `x-api-key` (Anthropic's SDKs)."""
    if authorization:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return x_api_key.strip() if x_api_key and x_api_key.strip() else None
