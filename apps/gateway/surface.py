"""How a dialect speaks besides its answers: the shape of errors and of an answer's id. Each surface of the API has one."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from apps.gateway.errors import ApiError, Header


class Surface(Protocol):
    """Pure. Every answer of a surface, whatever door and whatever went wrong, is written by it."""

    def identity(self, identifier: UUID) -> list[Header]:
        """The id of an inference, on every answer: under our name, and under the one that this dialect's SDKs read."""
        ...

    def error_body(self, error: ApiError, identifier: UUID) -> bytes:
        """The JSON of an error."""
        ...

    def error_frame(self, body: bytes) -> bytes:
        """The same error once a stream has begun: `body` is what `error_body` gave."""
        ...
