"""Reading a backend's answer as it passes: what a client of Anthropic's dialect gets to see, and the facts that settlement needs. Pure.

Anthropic's streams have one open block at a time, with indices in a row. A backend's pieces come in any order, so what cannot go out
yet waits: while the arguments of one tool call are not complete, the pieces of whatever else comes are kept, in the order in which
their blocks began.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from apps.catalog.pricing import Usage
from apps.gateway.anthropic.calls import NAMELESS, Block, CallPiece, Calls, argument_bytes, call_pieces, parsed_input
from apps.gateway.anthropic.frames import (
    DELTA_END,
    MESSAGE_STOP,
    Opening,
    block_start,
    block_stop,
    delta_start,
    event,
    message,
    usage_fields,
)
from apps.gateway.anthropic.stopping import matched, stop_reason
from apps.gateway.anthropic.thinking import sign
from apps.gateway.endpoint import BadAnswer
from apps.gateway.metering import output_estimate
from apps.gateway.openai.chunks import NOTHING, NULL, Delta, decode_chunk, known_word, read_usage
from apps.gateway.sse import DONE

# How the deltas of each kind of block are called, and their text.
DELTAS = {
    "text": (b"text_delta", b"text"),
    "thinking": (b"thinking_delta", b"thinking"),
    "tool_use": (b"input_json_delta", b"partial_json"),
}
_decode_text = msgspec.json.Decoder(str).decode


class MessageReader:
    """What one answer has said so far, whether streamed or whole. As apps/gateway/endpoint.py wants it."""

    def __init__(
        self,
        opening: Opening,
        *,
        public_model: str,
        context_length: int,
        prompt_tokens: Callable[[], int],
        stop_sequences: Sequence[str] = (),
        hide_thinking: bool = False,
        omit_thinking: bool = False,
    ) -> None:
        """`prompt_tokens` estimates the prompt where the backend does not count. Thinking is hidden without a trace, or omitted: then
        its signature carries it."""
        self._opening = opening
        self._model = public_model
        self._most = 2 * context_length  # more than any backend can have read or written: beyond that its count is absurd
        self._prompt_tokens = prompt_tokens
        self._stop_sequences = stop_sequences
        self._hide_thinking = hide_thinking
        self._omit_thinking = omit_thinking
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.done = False
        self.pieces = 0  # chunks that carried something generated
        self.text_bytes = 0  # of it, as JSON
        self._refused = False
        self._stop_sequence: str | None = None
        self._calls = Calls()
        self._index = -1  # of the latest block
        self._open: Block | None = None
        self._open_kind = ""
        self._delta_start = b""  # of the open block
        self._waiting: list[Block] = []

    @property
    def finished(self) -> bool:
        """The answer ended as an answer ends; anything else is a break."""
        return self.done or bool(self.finish_reason)

    def event(self, payload: bytes) -> bytes:
        """One event of a stream; returns the frames for the client. Raises BadAnswer and BackendRefused."""
        if payload == DONE:
            self.done = True
            return b""
        if not payload or payload.isspace():
            return b""
        chunk, payload = decode_chunk(payload if payload.isascii() else _as_utf8(payload))
        if chunk.usage != NULL:
            # The last report counts: some backends report a running total in every chunk.
            self.usage = read_usage(chunk.usage, self._most, self._most)
        if not chunk.choices:
            return b""
        frames = [] if self._opening.sent else [self._opening.frame(self._model)]
        for choice in chunk.choices:
            if choice.index:
                continue  # one was asked for
            if choice.delta is not None:
                self._take(choice.delta, frames)
            if choice.finish_reason:
                self.finish_reason = known_word(choice.finish_reason)
                self._stop_sequence = matched(payload, self._stop_sequences)
        return b"".join(frames)

    def end(self) -> bytes:
        """The last frames of a stream that has finished; they go out when it is settled."""
        frames = [self._opening.frame(self._model)]
        self._close(frames)
        for block in self._waiting:
            self._begin(block, frames)
            self._close(frames)
        self._waiting.clear()
        reason = self._stop_reason()
        sequence = self._stop_sequence if reason == "stop_sequence" else None
        frames.append(event("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": sequence}, "usage": self._usage_fields()}))
        frames.append(MESSAGE_STOP)
        return b"".join(frames)

    def whole(self, body: bytes) -> bytes:
        """A whole answer; returns the body for the client. Raises BadAnswer and BackendRefused."""
        answer, body = decode_chunk(body if body.isascii() else _as_utf8(body))
        if answer.usage != NULL:
            self.usage = read_usage(answer.usage, self._most, self._most)
        if not answer.choices or answer.choices[0].message is None:
            raise BadAnswer("an answer without a message")
        choice, said = answer.choices[0], answer.choices[0].message
        self.finish_reason = known_word(choice.finish_reason or "")
        self._stop_sequence = matched(body, self._stop_sequences)
        content: list[object] = []
        grown = 0
        thinking, texts = _thinking(said), [raw for raw in (bytes(said.content), bytes(said.refusal)) if _is_text(raw)]
        if thinking:
            grown += len(thinking) - 2
            if not self._hide_thinking:
                content.append(self._whole_thinking(thinking))
        for raw in texts:
            grown += len(raw) - 2
            content.append({"type": "text", "text": msgspec.Raw(raw)})
        self._refused = _is_text(bytes(said.refusal))
        if said.tool_calls is not NOTHING:
            grown += len(bytes(said.tool_calls))
            for piece in _call_pieces(said):
                arguments = b'"' + argument_bytes(piece.function.arguments if piece.function is not None else NOTHING) + b'"'
                name = (piece.function and piece.function.name) or NAMELESS
                call_input = parsed_input(_decoded(arguments))
                content.append({"type": "tool_use", "id": self._calls.settle_id(piece.id or ""), "name": name, "input": call_input})
                self._calls.any = True
        if grown:
            self.pieces, self.text_bytes = 1, grown
        self.done = True
        reason = self._stop_reason()
        sequence = self._stop_sequence if reason == "stop_sequence" else None
        return msgspec.json.encode(message(self._opening.id, self._model, content, reason, sequence, self._usage_fields()))

    # --- What a chunk says ------------------------------------------------------------------------------------------
    def _take(self, delta: Delta, frames: list[bytes]) -> None:
        """Thinking, text and tool calls of one delta, in this order."""
        grown = 0
        if (delta.reasoning_content is not NOTHING or delta.reasoning is not NOTHING) and (raw := _thinking(delta)):
            grown += len(raw) - 2
            if not self._hide_thinking:
                self._say("thinking", raw, frames)
        if delta.content is not NOTHING and _is_text(raw := bytes(delta.content)):
            grown += len(raw) - 2
            if self._open_kind == "text":
                frames += (self._delta_start, raw, DELTA_END)
            else:
                self._say("text", raw, frames)
        if delta.refusal is not NOTHING and _is_text(raw := bytes(delta.refusal)):
            grown += len(raw) - 2
            self._refused = True
            self._say("text", raw, frames)
        if delta.tool_calls is not NOTHING and delta.tool_calls != NULL:
            for piece in _call_pieces(delta):
                grown += self._call(piece, frames)
        if grown:
            self.pieces += 1
            self.text_bytes += grown

    def _say(self, kind: str, raw: bytes, frames: list[bytes]) -> None:
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

    def _call(self, piece: CallPiece, frames: list[bytes]) -> int:
        """A piece of a tool call; returns how many bytes were generated for it."""
        block, begins = self._calls.block_of(piece)
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

    # --- One open block at a time -----------------------------------------------------------------------------------
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
        self._index += 1
        self._open, self._open_kind = block, block.kind
        self._delta_start = delta_start(self._index, *DELTAS[block.kind])
        if block.kind == "text":
            shape: dict[str, object] = {"type": "text", "text": ""}
        elif block.kind == "thinking":
            shape = {"type": "thinking", "thinking": "", "signature": ""}
        else:
            shape = {"type": "tool_use", "id": self._calls.settle_id(block.id), "name": block.name or NAMELESS, "input": {}}
        frames.append(block_start(self._index, shape))
        if block.pieces and not (block.kind == "thinking" and self._omit_thinking):
            frames += (self._delta_start, block.raw, DELTA_END)

    def _close(self, frames: list[bytes]) -> None:
        """Closes the open block, if there is one; thinking is signed."""
        block = self._open
        if block is None:
            return
        if block.kind == "thinking":
            signature = sign(_decoded(block.raw)) if self._omit_thinking else sign()
            delta = {"type": "signature_delta", "signature": signature}
            frames.append(event("content_block_delta", {"index": self._index, "delta": delta}))
        block.closed = True
        frames.append(block_stop(self._index))
        self._open, self._open_kind = None, ""

    # --- The end ----------------------------------------------------------------------------------------------------
    def _whole_thinking(self, raw: bytes) -> dict[str, object]:
        if self._omit_thinking:
            return {"type": "thinking", "thinking": "", "signature": sign(_decoded(raw))}
        return {"type": "thinking", "thinking": msgspec.Raw(raw), "signature": sign()}

    def _stop_reason(self) -> str:
        return stop_reason(self.finish_reason, called=self._calls.any, refused=self._refused, sequence=self._stop_sequence)

    def _usage_fields(self) -> dict[str, object]:
        """What the backend reports where that can be true, else our own count: what settlement goes by."""
        counted = output_estimate(self.pieces, self.text_bytes)
        usage = self.usage
        if usage is None or (usage.completion_tokens == 0 and counted > 0):
            usage = Usage(self._prompt_tokens(), counted)
        return usage_fields(usage)


def _is_text(raw: bytes) -> bool:
    """A raw JSON string that is not empty."""
    return len(raw) > 2 and raw[0] == 34


def _thinking(said: Delta) -> bytes:
    """Under whichever of its two names it stands; empty when there is none."""
    for raw in (bytes(said.reasoning_content), bytes(said.reasoning)):
        if _is_text(raw):
            return raw
    return b""


def _call_pieces(said: Delta) -> list[CallPiece]:
    try:
        return call_pieces(said.tool_calls)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadAnswer(f"tool calls that are none: {error}") from None


def _decoded(raw: bytes) -> str:
    """A raw JSON string; what is no text in it (half a character) is shown as such."""
    try:
        return _decode_text(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw[1:-1].decode(errors="replace")


def _as_utf8(payload: bytes) -> bytes:
    """What is no UTF-8 is shown as such, so that clients can read the rest."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return payload.decode(errors="replace").encode()
    return payload
