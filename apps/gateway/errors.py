"""What the API answers when it does not answer: each error owns its status, type, code and headers.
Its shape belongs to the dialect (apps/gateway/surface.py).

ApiError
├── BadRequest              400  the request is malformed; `param` names the field
├── Unauthorized            401  no key, or not one of ours
├── InsufficientCredits     402
├── Forbidden               403  the account is suspended, the key is for something else
├── ModelNotFound           404
├── PresetNotFound          404
├── RequestTimeout          408  the body took too long
├── TooLarge                413
├── UnsupportedMediaType    415
├── RateLimited             429  a limit of the key; carries Retry-After
├── InternalError           500
├── BadGateway              502  a backend's answer is unusable
├── Unavailable             503  we cannot admit now; carries Retry-After
├── NoBackend               504  none is configured, or none answered in time
└── Overloaded              529  every backend is out of rotation or refuses connections
"""

from __future__ import annotations

from collections.abc import Sequence

Header = tuple[bytes, bytes]


class ApiError(Exception):
    """`message` is for the client: no addresses, headers or credentials of a backend, ever."""

    status = 500
    type = "server_error"
    code = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, code: str = "", status: int = 0, headers: Sequence[Header] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.code
        self.status = status or self.status
        self.headers = list(headers)


class BadRequest(ApiError):
    status, type, code = 400, "invalid_request_error", "invalid_request"


class Unauthorized(ApiError):
    status, type, code = 401, "authentication_error", "invalid_api_key"


class InsufficientCredits(ApiError):
    status, type, code = 402, "insufficient_credits", "insufficient_credits"


class Forbidden(ApiError):
    status, type, code = 403, "permission_error", "forbidden"


class ModelNotFound(ApiError):
    status, type, code = 404, "invalid_request_error", "model_not_found"


class PresetNotFound(ApiError):
    status, type, code = 404, "invalid_request_error", "preset_not_found"


class RequestTimeout(ApiError):
    status, type, code = 408, "invalid_request_error", "request_timeout"


class TooLarge(ApiError):
    status, type, code = 413, "invalid_request_error", "request_too_large"


class UnsupportedMediaType(ApiError):
    status, type, code = 415, "invalid_request_error", "unsupported_media_type"


class RateLimited(ApiError):
    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"


class InternalError(ApiError):
    pass


class BadGateway(ApiError):
    status, type, code = 502, "server_error", "bad_backend_answer"


class Unavailable(ApiError):
    status, type, code = 503, "server_error", "service_unavailable"


class NoBackend(ApiError):
    status, type, code = 504, "server_error", "no_backend_available"


class Overloaded(ApiError):
    status, type, code = 529, "server_error", "no_healthy_backends"
