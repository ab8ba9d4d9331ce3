"""Calling a gateway process as a customer does, and reading what it answers byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import httpx
from django.db import transaction

from tests.gateway.customers import Customer, TestModel, new_customer, new_model
from tests.gateway.waiting import wait_for

MESSAGES = [{"role": "user", "content": "Hello"}]
PATIENCE_S = 60.0
# One for all, since making one is slow; no connection is kept, since a process that ended would break the next call.
http = httpx.Client(
    verify=False, trust_env=False, timeout=PATIENCE_S, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
)


@dataclass
class Answer:
    """A whole answer. `headers` are httpx's: names in any case."""

    status: int
    headers: httpx.Headers
    body: bytes

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, after checking that the answer has the promised shape."""
        assert self.headers["content-type"] == "application/json", self.headers
        assert set(self.json) == {"error", "message"}, self.json
        return checked_error(self.json)

    @cached_property
    def events(self) -> list[bytes]:
        """The payloads of a stream of the gateway, which writes one `data: ` line and an empty line for each."""
        assert self.headers["content-type"].startswith("text/event-stream"), self.headers
        *events, rest = self.body.split(b"\n\n")
        assert rest == b"", rest
        assert all(event.startswith(b"data: ") for event in events), events
        return [b"\n".join(line.removeprefix(b"data: ") for line in event.split(b"\n")) for event in events]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(event) for event in self.events if event != b"[DONE]"]

    @property
    def text(self) -> str:
        """What the model said, streamed or whole."""
        if self.headers["content-type"] == "application/json":
            return self.json["choices"][0]["message"]["content"]
        deltas = [choice.get("delta", {}) for chunk in self.chunks for choice in chunk.get("choices", [])]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def finished(self) -> bool:
        """A stream that ended as a finished answer does."""
        return self.events[-1] == b"[DONE]"

    @property
    def error_frame(self) -> dict[str, Any] | None:
        """The error object at a stream's end, or None."""
        last = self.events[-1]
        return checked_error(json.loads(last)) if b'"error"' in last else None


def checked_error(body: dict[str, Any]) -> dict[str, Any]:
    """The error object of an error body whose shape product.md promises."""
    error = body["error"]
    assert set(error) == {"message", "type", "code", "param"}, body
    assert isinstance(error["message"], str)
    assert error["message"]
    assert body["message"] == error["message"], body
    return error


def ask(gateway: Any, key: str | None, model: str, *, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    """One `POST /v1/chat/completions`, read to its end."""
    return post(gateway, key, json.dumps({"model": model, "messages": MESSAGES, **fields}).encode(), headers=headers)


def post(gateway: Any, key: str | None, body: bytes, *, headers: dict[str, str] | None = None) -> Answer:
    """One POST of any bytes."""
    answer = http.post(f"{gateway.base_url}/chat/completions", content=body, headers=_headers(key) | (headers or {}))
    return Answer(answer.status_code, answer.headers, answer.content)


def ask_together(gateways: list[Any], key: str, model: str, count: int, **fields: Any) -> list[Answer]:
    """`count` requests at the same time, dealt out over the processes."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda number: ask(gateways[number % len(gateways)], key, model, **fields), range(count)))


@contextmanager
def open_stream(gateway: Any, key: str, model: str, **fields: Any) -> Iterator[httpx.Response]:
    """A stream that has begun; leaving the block disconnects."""
    body = {"model": model, "messages": MESSAGES, "stream": True, **fields}
    with http.stream("POST", f"{gateway.base_url}/chat/completions", json=body, headers=_headers(key)) as answer:
        yield answer


def _headers(key: str | None) -> dict[str, str]:
    return {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key is not None else {})


def offer(gateways: Any, *backends: str, **fields: Any) -> TestModel:
    """`new_model`, when all of these processes (or this one) know it with its backends."""
    with transaction.atomic():  # seen whole or not at all
        model = new_model(*backends, **fields)
    for gateway in gateways if isinstance(gateways, list) else [gateways]:
        wait_until_known(gateway, model)
    return model


def wait_until_known(gateway: Any, model: TestModel) -> None:
    """Who has no credit is refused once the model is known (unless it is free of charge), and uses up nothing by asking."""
    wait_for(lambda: ask(gateway, _beggar().key, model.name).status == 402, 5, f"{model.name} in the catalogue of port {gateway.port}")


@cache
def _beggar() -> Customer:
    return new_customer("0")
