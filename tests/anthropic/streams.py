"""Reading an Anthropic stream as strictly as its clients may: any disorder is an AssertionError."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

# Deltas that a block of each type may have, and the field that carries their text.
DELTAS = {
    "text": {"text_delta": "text"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
}


@dataclass
class Block:
    type: str
    id: str = ""
    name: str = ""
    text: str = ""
    signature: str = ""
    deltas: int = 0


@dataclass
class Message:
    """What a client has put together. `error` is the error of a stream that ended in one."""

    start: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    error: dict[str, Any] | None = None
    pings: int = 0

    def joined(self, kind: str) -> str:
        return "".join(block.text for block in self.blocks if block.type == kind)

    @property
    def text(self) -> str:
        return self.joined("text")

    @property
    def thinking(self) -> str:
        return self.joined("thinking")

    @property
    def calls(self) -> list[Block]:
        return [block for block in self.blocks if block.type == "tool_use"]


def parsed_events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of every event; each is `event:` and `data:` on a line of its own, and the name stands in both."""
    *events, rest = data.decode().split("\n\n")
    assert rest == "", f"a stream that stops within an event: {rest!r}"
    parsed = []
    for event in events:
        name_line, data_line = event.split("\n")
        assert name_line.startswith("event: ")
        assert data_line.startswith("data: ")
        name, fields = name_line[7:], json.loads(data_line[6:])
        assert fields["type"] == name
        parsed.append((name, fields))
    return parsed


def read(data: bytes) -> Message:
    """The message of a whole stream, or what there was of it before an error."""
    message = Message()
    open_block: int | None = None
    for name, fields in parsed_events(data):
        assert not message.complete, f"{name} after the end"
        assert message.error is None, f"{name} after an error"
        if name == "ping":
            message.pings += 1
            assert message.start, "a ping before the message began"
        elif name == "error":
            message.error = fields
        elif name == "message_start":
            assert not message.start, "two beginnings"
            message.start = fields["message"]
            assert message.start["content"] == []
            assert message.start["stop_reason"] is None
        else:
            assert message.start, f"{name} before message_start"
            open_block = _within(message, name, fields, open_block)
    assert message.error is not None or message.complete, "no end"
    return message


def _within(message: Message, name: str, fields: dict[str, Any], open_block: int | None) -> int | None:
    if name == "content_block_start":
        assert open_block is None, "two blocks open at a time"
        assert message.stop_reason is None, "a block after message_delta"
        assert fields["index"] == len(message.blocks), "indices that are not in a row"
        block = fields["content_block"]
        if block["type"] == "tool_use":
            assert block["id"]
            assert block["name"]
            assert block["input"] == {}
            assert block["id"] not in [known.id for known in message.blocks], "an id twice"
        message.blocks.append(Block(block["type"], block.get("id", ""), block.get("name", "")))
        return int(fields["index"])
    if name == "content_block_delta":
        assert fields["index"] == open_block, "a delta of a block that is not open"
        block, delta = message.blocks[fields["index"]], fields["delta"]
        carried = delta[DELTAS[block.type][delta["type"]]]
        assert isinstance(carried, str)
        if delta["type"] == "signature_delta":
            block.signature += carried
        else:
            assert not block.signature, "thinking after its signature"
            block.text += carried
            block.deltas += 1
        return open_block
    if name == "content_block_stop":
        assert fields["index"] == open_block, "a stop of a block that is not open"
        assert message.blocks[-1].type != "thinking" or message.blocks[-1].signature, "thinking without a signature"
        return None
    if name == "message_delta":
        assert open_block is None, "the end while a block is open"
        assert fields["usage"]["output_tokens"] >= 0
        assert fields["usage"]["input_tokens"] >= 0
        message.stop_reason, message.stop_sequence = fields["delta"]["stop_reason"], fields["delta"]["stop_sequence"]
        message.usage = fields["usage"]
        return None
    assert name == "message_stop", f"an unknown event {name}"
    assert message.stop_reason is not None, "message_stop without message_delta"
    message.complete = True
    return None
