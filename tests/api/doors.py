"""Asking both doors the same thing, and comparing what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from tests.gateway.customers import Customer
from tests.gateway.processes import GatewayProcess

MAX_REQUEST_BYTES = 20_000
CHAT = "/v1/chat/completions"
# What differs from one request to the next, or belongs to the HTTP server.
OF_THE_MOMENT = {"date", "server", "connection", "inference-id", "x-request-id", "request-id"}
# Within a body of the Anthropic surface.
IDS = re.compile(rb'"request_id":"[0-9a-f-]{36}"|"id":"(?:msg|toolu)_[0-9a-f]{32}"')


@dataclass(frozen=True)
class Doors:
    fast: GatewayProcess
    slow: GatewayProcess

    @property
    def both(self) -> list[GatewayProcess]:
        return [self.fast, self.slow]


@dataclass(frozen=True)
class Seen:
    """An answer without what belongs to the moment."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def chat(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **fields}


def bearer(customer: Customer) -> dict[str, str]:
    return {"authorization": f"Bearer {customer.key}"}


def seen(response: httpx.Response) -> Seen:
    """Every answer has an Inference-Id, and a reset is a moment to come, as is the end of a wait; they are checked here and left out."""
    assert UUID(response.headers["inference-id"]).version == 7
    names = [name.lower() for name, _ in response.headers.multi_items()]
    assert len(names) == len(set(names)), f"a header twice: {names}"
    headers = {name: value for name, value in response.headers.items() if name not in OF_THE_MOMENT}
    for name in [name for name in headers if "-reset" in name]:
        assert headers.pop(name).isdigit()
    body = IDS.sub(b'"id":0', response.content)
    if response.status_code == 429:  # the wait is told in whole seconds, and one may pass between the two doors
        wait_s = headers.pop("retry-after")
        assert 0 < int(wait_s) <= 61
        body = body.replace(b"again in %s s" % wait_s.encode(), b"again in 0 s")
    return Seen(response.status_code, headers, body)


def in_pieces(body: bytes, size: int = 4_000) -> Iterator[bytes]:
    """A body whose length is not said before."""
    for start in range(0, len(body), size):
        yield body[start : start + size]
