"""A stream of Anthropic's dialect as the whole message it would have been, for accounts that keep texts. Pure.

Texts stay as the JSON that the client got: pieces of JSON strings, one behind the other, are a JSON string again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apps.gateway.anthropic.calls import parsed_input
from apps.gateway.openai.chunks import NOTHING, text_of


class _Delta(msgspec.Struct):
    text: msgspec.Raw = NOTHING
    thinking: msgspec.Raw = NOTHING
    partial_json: msgspec.Raw = NOTHING
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    content_block: dict[str, Any] | None = None
    delta: _Delta | None = None


_decode = msgspec.json.Decoder(_Event).decode


class _Block:
    """A content block in the making: `text` is the inside of a raw JSON string."""

    def __init__(self, shape: dict[str, Any]) -> None:
        self._shape = shape
        self._text = bytearray()
        self._signature: str | None = None

    def take(self, delta: _Delta) -> int:
        """Returns how many bytes of it are held."""
        self._signature = delta.signature or self._signature
        held = 0
        for raw in (bytes(delta.text), bytes(delta.thinking), bytes(delta.partial_json)):
            self._text += raw[1:-1]
            held += max(0, len(raw) - 2)
        return held + len(delta.signature or "")

    def whole(self) -> dict[str, Any]:
        kind, raw = self._shape["type"], bytes(b'"' + self._text + b'"')
        if kind == "tool_use":
            return {**self._shape, "input": parsed_input(text_of(raw))}
        if kind == "thinking":
            return {**self._shape, "thinking": msgspec.Raw(raw), "signature": self._signature or ""}
        return {**self._shape, "text": msgspec.Raw(raw)}


class MessageTranscript:
    """As apps/gateway/endpoint.py wants it."""

    def __init__(self) -> None:
        self.size = 0
        self._begun = False
        self._blocks: dict[int, _Block] = {}
        self._stop = _Delta()

    def feed(self, payload: bytes) -> None:
        event = _decode(payload)
        if event.type == "message_start":
            self._begun = True
        elif event.type == "content_block_start" and event.content_block is not None:
            self._blocks[event.index] = _Block(event.content_block)
        elif event.type == "content_block_delta" and event.delta is not None and event.index in self._blocks:
            self.size += self._blocks[event.index].take(event.delta)
        elif event.type == "message_delta" and event.delta is not None:
            self._stop = event.delta

    def whole(self) -> bytes:
        if not self._begun:
            return b""
        content = [self._blocks[index].whole() for index in sorted(self._blocks)]
        message = {"type": "message", "role": "assistant", "content": content}
        return msgspec.json.encode(message | {"stop_reason": self._stop.stop_reason, "stop_sequence": self._stop.stop_sequence})
