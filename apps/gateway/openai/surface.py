"""OpenAI's shape of errors, and where its SDKs look for a request's id."""

from __future__ import annotations

from uuid import UUID

import msgspec

from apps.gateway.errors import ApiError, Header
from apps.gateway.sse import frame
from apps.gateway.surface import Surface


class OpenAISurface:
    """As apps/gateway/surface.py wants it."""

    def identity(self, identifier: UUID) -> list[Header]:
        text = str(identifier).encode()
        return [(b"inference-id", text), (b"x-request-id", text)]

    def error_body(self, error: ApiError, identifier: UUID) -> bytes:
        """The text stands once more as a top-level string: some clients read only that."""
        shape = {"message": error.message, "type": error.type, "code": error.code, "param": error.param}
        return msgspec.json.encode({"error": shape, "message": error.message})

    def error_frame(self, body: bytes) -> bytes:
        return frame(body)


openai_surface: Surface = OpenAISurface()
