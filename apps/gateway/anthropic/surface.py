"""Anthropic's shape of errors, and where its SDKs look for a request's id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from apps.gateway.errors import ApiError, BadRequest, Header
from apps.gateway.surface import Surface

TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ThreadUnsupported(BadRequest):
    """Conversations that the server keeps. SDKs that ask for one send everything themselves once they see this code."""

    code = "thread_unsupported_request"


class AnthropicSurface:
    """As apps/gateway/surface.py wants it."""

    def identity(self, identifier: UUID) -> list[Header]:
        text = str(identifier).encode()
        return [(b"inference-id", text), (b"request-id", text)]

    def error_body(self, error: ApiError, identifier: UUID) -> bytes:
        kind = TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "api_error")
        shape: dict[str, Any] = {"type": kind, "message": error.message}
        if isinstance(error, ThreadUnsupported):
            shape["details"] = {"error_code": error.code}
        return msgspec.json.encode({"type": "error", "error": shape, "request_id": str(identifier)})

    def error_frame(self, body: bytes) -> bytes:
        return b"event: error\ndata: " + body + b"\n\n"


anthropic_surface: Surface = AnthropicSurface()
