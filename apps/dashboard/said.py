"""Kept prompts and answers as people read them: who said what, out of requests and answers in either dialect.

What customers and models wrote may have any shape: what is not understood is shown as JSON, and what is no JSON as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from apps.texts.models import KeptText
from apps.texts.queries import text_of
from apps.texts.sealing import unseal


@dataclass(frozen=True, slots=True)
class Turn:
    """`who` is a word for people, such as `user`, `tool` or `assistant, thinking`."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A prompt or an answer. `turns` are empty where it is not understood, as it is when it was cut; `source` is it all, laid out if it
    is JSON."""

    name: str
    turns: list[Turn]
    source: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is kept of an inference. `parts` are empty where it cannot be decrypted any more."""

    inference: UUID
    expires_at: datetime
    parts: list[Part]


def conversation_of(account_id: int, inference: UUID) -> Conversation | None:
    """None where nothing is kept."""
    row = text_of(account_id, inference)
    return _conversation(row) if row is not None else None


def _conversation(row: KeptText) -> Conversation:
    text = unseal(row.sealed)
    if text is None:
        return Conversation(row.pk, row.expires_at, [])
    parts = [
        Part("Prompt", _turns(text.request, _asked), _laid_out(text.request), text.request_cut),
        Part("Answer", _turns(text.answer, _answered), _laid_out(text.answer), text.answer_cut),
    ]
    return Conversation(row.pk, row.expires_at, parts)


def _turns(source: str, read: Any) -> list[Turn]:
    try:
        value = msgspec.json.decode(source.encode(errors="replace"))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return []
    return [turn for turn in read(value) if turn.text] if isinstance(value, dict) else []


def _laid_out(source: str) -> str:
    try:
        return msgspec.json.format(source, indent=2)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return source


def _asked(body: dict[str, Any]) -> Iterator[Turn]:
    """Of a request: Anthropic's system text, the messages, or the prompts of a completion."""
    if body.get("system"):
        yield Turn("system", _words(body["system"]))
    for message in _list(body.get("messages")):
        yield from _message(message)
    prompt = body.get("prompt")
    for one in prompt if isinstance(prompt, list) and all(isinstance(each, str) for each in prompt) else [prompt]:
        yield Turn("prompt", _words(one))


def _answered(answer: dict[str, Any]) -> Iterator[Turn]:
    """Of an answer: its choices, or Anthropic's message."""
    if isinstance(answer.get("content"), list):
        yield from _message(answer)
    for choice in _list(answer.get("choices")):
        if isinstance(choice, dict) and "message" in choice:
            yield from _message(choice["message"])
        elif isinstance(choice, dict):
            yield Turn("completion", _words(choice.get("text")))


def _message(message: Any) -> Iterator[Turn]:
    if not isinstance(message, dict):
        yield Turn("message", _json(message))
        return
    who = message["role"] if isinstance(message.get("role"), str) else "message"
    yield Turn(f"{who}, thinking", _words(message.get("reasoning_content") or message.get("reasoning")))
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        yield _block(who, block)
    yield Turn(who, _words(message.get("refusal")))
    calls = [call.get("function") if isinstance(call, dict) else call for call in _list(message.get("tool_calls"))]
    for call in [*calls, message.get("function_call")]:
        if call is not None:
            yield Turn(f"{who}, tool call", _call(call, "arguments"))


def _block(who: str, block: Any) -> Turn:
    """A part of OpenAI's contents, or a block of Anthropic's."""
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "thinking":
        return Turn(f"{who}, thinking", _words(block.get("thinking")))
    if kind == "tool_use":
        return Turn(f"{who}, tool call", _call(block, "input"))
    if kind == "tool_result":
        return Turn("tool", _words(block.get("content")))
    return Turn(who, _words(block))


def _call(call: Any, field: str) -> str:
    """`name(arguments)`."""
    if not isinstance(call, dict):
        return _json(call)
    arguments = call.get(field)
    return f"{_words(call.get('name'))}({arguments if isinstance(arguments, str) else _json(arguments)})"


def _words(value: Any) -> str:
    """The text of a content; of parts that are no text their kind alone, since an image may be megabytes of letters."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return "\n".join(map(_words, value))
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return f"[{value['type']}]"
    return _json(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
