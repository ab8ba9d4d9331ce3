"""What goes wrong, in words that say what to do next: for the JSON addresses, for frames that are refused, and for answers that failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from apps.gateway.errors import Header

ADD_CREDIT = {"label": "Add credit", "href": "/settings/billing"}
ACTIONS = {
    "insufficient_credits": ADD_CREDIT,
    "account_suspended": {"label": "See billing", "href": "/settings/billing"},
    "logged_out": {"label": "Log in", "href": "/accounts/login/?next=/playground"},
}


class Refused(Exception):
    """`message` is for people. `status` is that of the JSON addresses."""

    def __init__(self, message: str, *, code: str, status: int = 400, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message, self.code, self.status, self.param, self.retry_after_s = message, code, status, param, retry_after_s

    def shape(self) -> dict[str, Any]:
        """As frames and answers carry it."""
        return shape(self.code, self.message, self.retry_after_s) | {"param": self.param}


def shape(code: str, message: str, retry_after_s: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "action": ACTIONS.get(code), "retry_after_s": retry_after_s}


def not_found(what: str = "conversation") -> Refused:
    return Refused(f"There is no such {what}: it was deleted, or belongs to somebody else.", code=f"{what}_not_found", status=404)


def error_of_answer(body: bytes, headers: Sequence[Header]) -> dict[str, Any]:
    """The shape of an error that the gateway answered, or sent as the last event of a stream."""
    wait = next((value for name, value in headers if name == b"retry-after"), b"")
    try:
        error = json.loads(body)["error"]
        return shape(str(error["code"]), str(error["message"]), int(wait) if wait.isdigit() else None)
    except (ValueError, KeyError, TypeError):
        return shape("internal_error", "Something broke on our side. You were charged at most for what had reached you.")
