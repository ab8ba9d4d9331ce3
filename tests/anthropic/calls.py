"""Calling the Anthropic surface of a gateway process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx

from tests.anthropic.streams import Message, read
from tests.gateway.calls import http
from tests.gateway.processes import GatewayProcess

MESSAGES = "/anthropic/v1/messages"
COUNT = f"{MESSAGES}/count_tokens"
HELLO = [{"role": "user", "content": "Hello"}]
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "messages": HELLO, **fields}


def post(gateway: GatewayProcess, key: str | None, content: Any, path: str = MESSAGES, **headers: str) -> httpx.Response:
    """One POST of a JSON value, or of bytes as they are."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = {"content-type": "application/json", "anthropic-version": "2023-06-01", **headers}
    if key is not None:
        sent["x-api-key"] = key
    return http.post(gateway.url + path, content=data, headers=sent)


def create(gateway: GatewayProcess, key: str, model: str, **fields: Any) -> dict[str, Any]:
    """A whole message, after checking that the answer is one."""
    response = post(gateway, key, body(model, **fields))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", model)
    return answer


def stream(gateway: GatewayProcess, key: str, model: str, **fields: Any) -> Message:
    """A streamed message, read to its end."""
    response = post(gateway, key, body(model, stream=True, **fields))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return read(response.content)


@contextmanager
def open_stream(gateway: GatewayProcess, key: str, model: str, **fields: Any) -> Iterator[httpx.Response]:
    """A stream that has begun; leaving the block disconnects."""
    content = body(model, stream=True, **fields)
    with http.stream("POST", gateway.url + MESSAGES, json=content, headers={"x-api-key": key}) as response:
        yield response


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error object, after checking that the answer has the promised shape in all its parts."""
    answer = response.json()
    assert set(answer) == {"type", "error", "request_id"}, answer
    assert answer["type"] == "error"
    assert response.headers["content-type"] == "application/json"
    assert UUID(answer["request_id"]).version == 7
    assert answer["request_id"] == response.headers["request-id"] == response.headers["inference-id"]
    error: dict[str, Any] = answer["error"]
    assert error["type"] == ERRORS[response.status_code], answer
    assert isinstance(error["message"], str)
    assert error["message"]
    return error
