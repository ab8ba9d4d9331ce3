"""What an answer has said so far, as the frames that its readers get.

Texts stay as the JSON that the backend wrote: pieces of JSON strings, one behind the other, are a JSON string again. A piece that
nobody has been shown yet grows in place, so that a reader who is slow, or away, gets few large frames in the place of many small ones.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec

from apps.gateway.openai.chunks import NOTHING, NULL, Chunk
from apps.gateway.openai.tool_calls import whole_calls
from apps.gateway.sse import DONE

# Far beyond any model's answer: what grows beyond it is a broken backend.
MAX_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 24  # of the three offsets

_decode = msgspec.json.Decoder(Chunk).decode
_decode_text = msgspec.json.Decoder(str).decode


class Transcript:
    """`run` names it in its frames; its frames count on from `seq`, the one that introduced it."""

    def __init__(self, run: str, seq: int = 1) -> None:
        self._head = f'{{"type":"delta","run":"{run}","seq":'.encode()
        self._first = seq + 1
        self._content, self._reasoning = bytearray(), bytearray()
        self._calls: list[bytes] = []
        # Where each piece ends, in content, reasoning and calls.
        self._ends = (array("L"), array("L"), array("L"))
        self._shown = seq
        self.finish_reason = ""
        self.done = False
        self.error: bytes | None = None  # an error object at the stream's end, with what is around it

    @property
    def last(self) -> int:
        """The seq of the last piece."""
        return self._first + len(self._ends[0]) - 1

    @property
    def size(self) -> int:
        return len(self._content) + len(self._reasoning) + sum(map(len, self._calls)) + _PIECE_BYTES * len(self._ends[0])

    def feed(self, frames: bytes) -> bool:
        """Takes whole events as the gateway writes them, one line each; whether there is something to show."""
        content, reasoning, calls = [], [], []
        for line in frames.split(b"\n"):
            if not line.startswith(b"data: "):
                continue
            payload = line[6:]
            if payload == DONE:
                self.done = True
                continue
            chunk = _decode(payload)
            if chunk.error != NULL:
                self.error = payload
            for choice in chunk.choices or ():
                self.finish_reason = choice.finish_reason or self.finish_reason
                delta = choice.delta
                if delta is None:
                    continue
                content.append(_text(delta.content) or _text(delta.refusal))
                reasoning.append(_text(delta.reasoning_content) or _text(delta.reasoning))
                if delta.tool_calls is not NOTHING and bytes(delta.tool_calls)[:1] == b"[":
                    calls.append(bytes(delta.tool_calls))
        return self.append(b"".join(content), b"".join(reasoning), calls)

    def append(self, content: bytes, reasoning: bytes, calls: list[bytes]) -> bool:
        """Adds one piece, of JSON texts without their quotes, unless it is empty."""
        if not (content or reasoning or calls):
            return False
        self._content += content
        self._reasoning += reasoning
        self._calls += calls
        grows = self.last > self._shown
        for ends, end in zip(self._ends, (len(self._content), len(self._reasoning), len(self._calls)), strict=True):
            if grows:
                ends[-1] = end
            else:
                ends.append(end)
        return True

    def frames(self, after: int) -> Iterator[tuple[int, bytes]]:
        """The deltas that follow `after`, each with its seq. One that was taken does not grow any more."""
        seq = max(after + 1, self._first)
        while seq <= self.last:
            self._shown = max(self._shown, seq)
            yield seq, self._frame(seq)
            seq += 1

    def _frame(self, seq: int) -> bytes:
        number = seq - self._first
        spans = [slice(ends[number - 1] if number else 0, ends[number]) for ends in self._ends]
        frame = self._head + b"%d" % seq
        if text := bytes(self._content[spans[0]]):
            frame += b',"content":"%b"' % text
        if text := bytes(self._reasoning[spans[1]]):
            frame += b',"reasoning":"%b"' % text
        if calls := self._calls[spans[2]]:
            frame += b',"tool_calls":[%b]' % b",".join(call.strip()[1:-1] for call in calls)
        return frame + b"}"

    @property
    def content(self) -> str:
        return _read(b'"' + self._content + b'"')

    @property
    def reasoning(self) -> str:
        return _read(b'"' + self._reasoning + b'"')

    def tool_calls(self) -> list[dict[str, Any]]:
        """OpenAI's calls, put together from their pieces by index."""
        return whole_calls(self._calls)


def _text(raw: msgspec.Raw) -> bytes:
    """A raw JSON string without its quotes; empty for null and what is not there."""
    text = bytes(raw)
    return text[1:-1] if text[:1] == b'"' else b""


def _read(text: bytes | bytearray) -> str:
    """A JSON string; half of a character, which may be all that has come of it yet, is shown as such."""
    try:
        return _decode_text(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        loose: str = json.loads(text.decode(errors="replace"), strict=False)
        return loose.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
