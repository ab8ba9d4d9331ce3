"""A stream of OpenAI's dialect as the whole answer it would have been, for accounts that keep texts. Pure.

Texts stay as the JSON that the client got: pieces of JSON strings, one behind the other, are a JSON string again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apps.gateway.openai.chunks import NOTHING
from apps.gateway.openai.tool_calls import whole_calls
from apps.gateway.sse import DONE


class _Call(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Delta(msgspec.Struct):
    content: msgspec.Raw = NOTHING
    reasoning_content: msgspec.Raw = NOTHING
    refusal: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING
    function_call: _Call | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: msgspec.Raw = NOTHING
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
TEXTS = ("content", "reasoning_content", "refusal")


class _Said:
    """One choice of the answer. Texts are the insides of raw JSON strings, by their field's name."""

    def __init__(self) -> None:
        self.texts: dict[str, bytearray] = {}
        self.calls: list[bytes] = []
        self.function_call: _Call | None = None
        self.finish_reason: str | None = None
        self.chats = False

    def take(self, choice: _Choice) -> int:
        """Returns how many bytes of it are held."""
        self.finish_reason = choice.finish_reason or self.finish_reason
        delta = choice.delta
        if delta is None:
            return self._text("text", choice.text)
        self.chats = True
        held = sum(self._text(name, getattr(delta, name)) for name in TEXTS)
        if bytes(delta.tool_calls)[:1] == b"[":
            self.calls.append(bytes(delta.tool_calls))
            held += len(self.calls[-1])
        if delta.function_call is not None:
            before, piece = self.function_call or _Call("", ""), delta.function_call
            self.function_call = _Call(before.name or piece.name, (before.arguments or "") + (piece.arguments or ""))
            held += len(piece.arguments or "")
        return held

    def _text(self, name: str, raw: msgspec.Raw) -> int:
        text = bytes(raw)
        if text[:1] != b'"':
            return 0
        self.texts.setdefault(name, bytearray()).extend(text[1:-1])
        return len(text) - 2

    def whole(self, index: int) -> dict[str, Any]:
        texts: dict[str, Any] = {name: msgspec.Raw(b'"' + text + b'"') for name, text in self.texts.items()}
        if not self.chats:
            return {"index": index, "text": "", **texts, "finish_reason": self.finish_reason}
        message = {"role": "assistant", "content": None, **texts}
        if self.calls:
            message["tool_calls"] = whole_calls(self.calls)
        if self.function_call is not None:
            message["function_call"] = self.function_call
        return {"index": index, "message": message, "finish_reason": self.finish_reason}


class ChunkTranscript:
    """As apps/gateway/endpoint.py wants it."""

    def __init__(self) -> None:
        self.size = 0
        self._choices: dict[int, _Said] = {}

    def feed(self, payload: bytes) -> None:
        if payload == DONE:
            return
        for choice in _decode(payload).choices or ():
            self.size += self._choices.setdefault(choice.index, _Said()).take(choice)

    def whole(self) -> bytes:
        if not self._choices:
            return b""
        return msgspec.json.encode({"choices": [self._choices[index].whole(index) for index in sorted(self._choices)]})
