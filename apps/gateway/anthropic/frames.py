"""The events of an Anthropic stream as bytes, written by hand: they are made once a chunk. Pure.

Texts and pieces of JSON come as the raw JSON strings that the backend wrote, quotes included.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from apps.catalog.pricing import Usage
from apps.core.ids import uuid7

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
DELTA_END = b"}}\n\n"


def event(name: str, fields: dict[str, object]) -> bytes:
    """Any event, for those that come once a message or block."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **fields}))


def block_start(index: int, block: dict[str, object]) -> bytes:
    return event("content_block_start", {"index": index, "content_block": block})


def block_stop(index: int) -> bytes:
    return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index


def delta_start(index: int, kind: bytes, name: bytes) -> bytes:
    """What stands before the raw JSON string of each delta of a block; DELTA_END stands behind it."""
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":' % (index, kind, name)


def usage_fields(usage: Usage) -> dict[str, object]:
    """Anthropic counts tokens from the cache beside the input, OpenAI within it."""
    fields: dict[str, object] = {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return fields


@dataclass(slots=True)
class Opening:
    """The beginning of a message, which is sent once: with its first piece, or when a client has waited long for that."""

    input_tokens: int
    """An estimate; the end of the message has the true number."""
    id: str = field(default_factory=lambda: f"msg_{uuid7().hex}")
    sent: bool = False

    def frame(self, model: str) -> bytes:
        """Empty when it was sent before."""
        if self.sent:
            return b""
        self.sent = True
        return event("message_start", {"message": message(self.id, model, [], None, None, usage_fields(Usage(self.input_tokens, 0)))})


def message(
    identifier: str, model: str, content: list[object], stop_reason: str | None, stop_sequence: str | None, usage: dict[str, object]
) -> dict[str, object]:
    return {
        "id": identifier,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "usage": usage,
    }
