"""Faults on demand: each is taken once, or as often as it says, by the first request that it fits."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from apps.stripe_simulator.errors import StripeError, invalid
from apps.stripe_simulator.store import Store

KINDS = (
    "slow",  # waits `seconds`, then serves
    "500_before",  # an error, nothing done; the same idempotency key may try again
    "500_after",  # done, but the answer is an error; the same key gets the true answer
    "500_saved",  # done, but the answer is an error, now and for the same key for ever
    "429_before",  # too many requests, nothing done
    "timeout_before",  # waits `seconds` and breaks off, nothing done
    "timeout_after",  # done; waits `seconds` and breaks off; the same key gets the true answer
    "die_before",  # kill -9, nothing done
    "die_after",  # done and written, kill -9 before the answer
)


@dataclass
class Fault:
    """`path`: a regular expression for the whole path. `times`: how many requests it will hit."""

    kind: str
    method: str = "POST"
    path: str = "/v1/.*"
    times: int = 1
    seconds: float = 30

    @staticmethod
    def read(value: Any) -> Fault:
        """From the control address's JSON. StripeError that says what is wrong with it."""
        try:
            fault = Fault(**value)
            re.compile(fault.path)
        except (TypeError, re.error) as error:
            raise invalid(f"Not a fault: {error}") from None
        if fault.kind not in KINDS:
            raise invalid(f"kind: one of {', '.join(KINDS)}", "kind")
        return fault


def add(store: Store, fault: Fault) -> None:
    store.db.execute("INSERT INTO fault (body) VALUES (?)", (json.dumps(asdict(fault)),))


def waiting(store: Store) -> list[Fault]:
    return [Fault(**json.loads(body)) for (body,) in store.db.execute("SELECT body FROM fault ORDER BY seq")]


def take(store: Store, method: str, path: str) -> Fault | None:
    """The fault that is meant for this request, one time of it used up."""
    for number, body in store.db.execute("SELECT seq, body FROM fault ORDER BY seq").fetchall():
        fault = Fault(**json.loads(body))
        if fault.method == method and re.fullmatch(fault.path, path):
            if fault.times > 1:
                left = json.dumps(asdict(fault) | {"times": fault.times - 1})
                store.db.execute("UPDATE fault SET body = ? WHERE seq = ?", (left, number))
            else:
                store.db.execute("DELETE FROM fault WHERE seq = ?", (number,))
            return fault
    return None


def error_of(kind: str) -> StripeError:
    """The answer of the kinds that answer."""
    if kind.startswith("429"):
        return StripeError(429, "invalid_request_error", "Request rate limit exceeded.", code="rate_limit")
    return StripeError(500, "api_error", "An unknown error occurred. (A fault that was asked for.)")
