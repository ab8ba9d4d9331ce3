"""Requests of this dialect, parsed and as a backend gets them."""

from __future__ import annotations

import json
from typing import Any

from apps.gateway.anthropic.messages import ParsedMessages, messages
from tests.gateway.entries import a_backend, a_model

USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}}


def parsed(*listed: dict[str, Any], **fields: Any) -> ParsedMessages:
    body = {"model": "org/model", "max_tokens": 100, "messages": list(listed) or [USER], **fields}
    return messages.parse(json.dumps(body).encode())


def sent(*listed: dict[str, Any], reasoning: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """What the backend gets; `reasoning` are the model's settings."""
    model, backend = a_model(reasoning=reasoning or {}), a_backend(upstream_model="up")
    result: dict[str, Any] = json.loads(parsed(*listed, **fields).for_backend(model, backend, None))
    return result


def said(*listed: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The backend's messages."""
    result: list[dict[str, Any]] = sent(*listed, **fields)["messages"]
    return result


def user(*content: Any) -> dict[str, Any]:
    """A user's message; strings become blocks of text."""
    return {"role": "user", "content": [text(block) if isinstance(block, str) else block for block in content]}


def assistant(*content: Any) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def text(value: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **fields}


def use(identifier: str, name: str = "weather", **call_input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identifier, "name": name, "input": call_input}


def result(identifier: str, content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identifier, **({} if content is None else {"content": content}), **fields}


def image(data: str = "aGk=") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def tool(name: str = "weather", **fields: Any) -> dict[str, Any]:
    return {"name": name, "description": "The weather.", "input_schema": SCHEMA, **fields}
