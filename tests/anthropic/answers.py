"""Answers of a backend in OpenAI's dialect, and the reader that turns them into Anthropic's."""

from __future__ import annotations

import json
from typing import Any

from apps.gateway.anthropic.events import MessageReader
from apps.gateway.anthropic.frames import Opening
from tests.anthropic.streams import Message, read

PROMPT_TOKENS = 77


def reader(**options: Any) -> MessageReader:
    given: dict[str, Any] = {"public_model": "org/model", "context_length": 10_000, "prompt_tokens": lambda: PROMPT_TOKENS}
    return MessageReader(Opening(5), **given | options)


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return json.dumps({"id": "chatcmpl-1", "model": "upstream", "choices": choices, **fields}).encode()


def call(index: int | None, identifier: str | None = None, name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    """A piece of a tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece: dict[str, Any] = {key: value for key, value in (("index", index), ("id", identifier)) if value is not None}
    return {**piece, "function": function}


def calls(*pieces: dict[str, Any]) -> bytes:
    return chunk({"tool_calls": list(pieces)})


END = chunk({}, "stop")


def streamed(*payloads: bytes, **options: Any) -> Message:
    """The message that a client reads of these chunks; the last one is followed by [DONE]."""
    answer = reader(**options)
    data = b"".join(answer.event(payload) for payload in (*payloads, b"[DONE]"))
    assert answer.finished
    assert answer.done
    return read(data + answer.end())


def whole(message: dict[str, Any], finish_reason: str = "stop", *, usage: Any = None, **options: Any) -> dict[str, Any]:
    body = {"id": "chatcmpl-1", "model": "upstream", "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}
    result: dict[str, Any] = json.loads(reader(**options).whole(json.dumps({**body, "usage": usage} if usage else body).encode()))
    return result
