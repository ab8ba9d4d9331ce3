"""What the simulator refuses, in Stripe's words: a status and the fields of Stripe's error object."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An error answer. `keeps`: what was written before it stays written, as with a declined charge; otherwise it is undone."""

    def __init__(
        self, status: int, kind: str, message: str, *, code: str | None = None, param: str | None = None, keeps: bool = False, **extra: Any
    ) -> None:
        super().__init__(message)
        self.status, self.keeps = status, keeps
        fields = {"type": kind, "message": message, "code": code, "param": param, **extra}
        self.body = {"error": {name: value for name, value in fields.items() if value is not None}}


def invalid(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> StripeError:
    """A request that cannot be served as it is; `param` is the field at fault."""
    return StripeError(status, "invalid_request_error", message, code=code, param=param)


def missing(kind: str, object_id: str, param: str = "id") -> StripeError:
    return invalid(f"No such {kind}: '{object_id[:200]}'", param, "resource_missing", 404)


def declined(message: str, code: str, decline_code: str | None, **objects: Any) -> StripeError:
    """A card's bank said no. `objects`: the intent or method in question, as Stripe adds it to the error."""
    return StripeError(402, "card_error", message, code=code, decline_code=decline_code, keeps=True, **objects)
