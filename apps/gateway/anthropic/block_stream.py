"""The content blocks of a stream: one open at a time, with indices in a row. Pure.

A backend's pieces come in any order, so what cannot go out yet waits: while the arguments of one tool call are not complete, the
pieces of whatever else comes are kept, in the order in which their blocks began.
"""

from __future__ import annotations

from apps.gateway.anthropic.calls import NAMELESS, Block, CallPiece, Calls, argument_bytes
from apps.gateway.anthropic.frames import DELTA_END, block_start, block_stop, delta_start, event
from apps.gateway.anthropic.thinking import sign
from apps.gateway.openai.chunks import text_of
from apps.gateway.openai.template import ChunkTemplate

# How the deltas of each kind of block are called, and their text.
DELTAS = {
    "text": (b"text_delta", b"text"),
    "thinking": (b"thinking_delta", b"thinking"),
    "tool_use": (b"input_json_delta", b"partial_json"),
}
# A piece of text or of thinking: what stands before it, the raw string, what stands behind it.
DELTA_PARTS = 3


class BlockStream:
    """Writes frames to the list that each method is given. Texts are raw JSON strings, quotes included."""

    def __init__(self, *, omit_thinking: bool) -> None:
        """With `omit_thinking` a block of thinking shows none, and its signature carries it."""
        self._omit_thinking = omit_thinking
        self.calls = Calls()
        self.template = ChunkTemplate()
        """Of a chunk with nothing but a piece of text or of thinking for the block that is open."""
        self._index = -1  # of the latest block
        self._open: Block | None = None
        self._open_kind = ""
        self._delta_start = b""  # of the open block
        self._waiting: list[Block] = []

    def say(self, kind: str, raw: bytes, frames: list[bytes]) -> None:
        """A piece of text or of thinking."""
        if self._open_kind != kind:
            if not self._make_room(frames):
                if not self._waiting or self._waiting[-1].kind != kind:
                    self._waiting.append(Block(kind))
                self._waiting[-1].pieces.append(raw[1:-1])
                return
            if self._open_kind != kind:  # it may have waited itself
                self._close(frames)
                self._begin(Block(kind), frames)
        assert self._open is not None
        if kind == "thinking" and self._omit_thinking:
            self._open.pieces.append(raw[1:-1])
        else:
            frames += (self._delta_start, raw, DELTA_END)

    def call(self, piece: CallPiece, frames: list[bytes]) -> int:
        """A piece of a tool call; returns how many bytes were generated for it."""
        block, begins = self.calls.block_of(piece)
        arguments = argument_bytes(piece.function.arguments) if piece.function is not None else b""
        if block.closed:
            return len(arguments)  # what follows a whole JSON object is no part of it
        if arguments:
            block.pieces.append(arguments)
        if block is self._open:
            if arguments:
                frames += (self._delta_start, b'"', arguments, b'"', DELTA_END)
        else:
            if begins:
                self._waiting.append(block)
            self._make_room(frames)
        return len(arguments) + (len(block.name) if begins else 0)

    def end(self, frames: list[bytes]) -> None:
        """Closes what is open, and lets out what has waited."""
        self._close(frames)
        for block in self._waiting:
            self._begin(block, frames)
            self._close(frames)
        self._waiting.clear()

    def _make_room(self, frames: list[bytes]) -> bool:
        """Lets blocks that wait out as far as it goes; true when none is left waiting and another one may be opened behind."""
        while True:
            if self._open is not None and self._open_kind == "tool_use" and not self._open.complete:
                return False
            if not self._waiting:
                return True
            if self._waiting[0].kind == "tool_use" and not self._waiting[0].name:
                return False
            self._close(frames)
            self._begin(self._waiting.pop(0), frames)

    def _begin(self, block: Block, frames: list[bytes]) -> None:
        """Opens a block, with what of it has waited."""
        self.template.forget()
        self._index += 1
        self._open, self._open_kind = block, block.kind
        self._delta_start = delta_start(self._index, *DELTAS[block.kind])
        if block.kind == "text":
            shape: dict[str, object] = {"type": "text", "text": ""}
        elif block.kind == "thinking":
            shape = {"type": "thinking", "thinking": "", "signature": ""}
        else:
            shape = {"type": "tool_use", "id": self.calls.settle_id(block.id), "name": block.name or NAMELESS, "input": {}}
        frames.append(block_start(self._index, shape))
        if block.pieces and not (block.kind == "thinking" and self._omit_thinking):
            frames += (self._delta_start, block.raw, DELTA_END)

    def _close(self, frames: list[bytes]) -> None:
        """Closes the open block, if there is one; thinking is signed."""
        block = self._open
        if block is None:
            return
        if block.kind == "thinking":
            signature = sign(text_of(block.raw)) if self._omit_thinking else sign()
            delta = {"type": "signature_delta", "signature": signature}
            frames.append(event("content_block_delta", {"index": self._index, "delta": delta}))
        block.closed = True
        frames.append(block_stop(self._index))
        self._open, self._open_kind = None, ""
        self.template.forget()
