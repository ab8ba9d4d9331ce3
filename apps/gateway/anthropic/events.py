"""Reading a backend's answer as it passes: what a client of Anthropic's dialect gets to see, and the facts that settlement needs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from apps.catalog.pricing import Usage
from apps.gateway.anthropic.block_stream import DELTA_PARTS, BlockStream
from apps.gateway.anthropic.calls import NAMELESS, CallPiece, argument_bytes, call_pieces, parsed_input
from apps.gateway.anthropic.frames import MESSAGE_STOP, Opening, event, message, usage_fields
from apps.gateway.anthropic.stopping import matched, stop_reason
from apps.gateway.anthropic.thinking import sign
from apps.gateway.endpoint import BadAnswer
from apps.gateway.metering import output_estimate
from apps.gateway.openai.chunks import NOTHING, NULL, Delta, decode_chunk, known_word, read_usage, text_of
from apps.gateway.sse import DONE


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
        self._blocks = BlockStream(omit_thinking=omit_thinking)

    @property
    def finished(self) -> bool:
        """The answer ended as an answer ends; anything else is a break."""
        return self.done or bool(self.finish_reason)

    def event(self, payload: bytes) -> bytes:
        """One event of a stream; returns the frames for the client. Raises BadAnswer and BackendRefused."""
        shown = self._blocks.template.fill(payload)
        if shown is not None:
            self.pieces += 1
            self.text_bytes += self._blocks.template.text_bytes
            return shown if shown.isascii() else _as_utf8(shown)
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
        grown = 0
        for choice in chunk.choices:
            if choice.index:
                continue  # one was asked for
            if choice.delta is not None:
                grown += self._take(choice.delta, frames)
            if choice.finish_reason:
                self.finish_reason = known_word(choice.finish_reason)
                self._stop_sequence = matched(payload, self._stop_sequences)
        if grown:
            self.pieces += 1
            self.text_bytes += grown
        shown = b"".join(frames)
        if (
            len(frames) == DELTA_PARTS
            and grown == len(frames[1]) - 2
            and len(chunk.choices) == 1
            and chunk.usage == NULL
            and not self.finish_reason
        ):
            self._blocks.template.learn(payload, shown, frames[1])
        return shown

    def end(self) -> bytes:
        """The last frames of a stream that has finished; they go out when it is settled."""
        frames = [self._opening.frame(self._model)]
        self._blocks.end(frames)
        reason, sequence = self._stop()
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
                call_input = parsed_input(text_of(arguments))
                content.append({"type": "tool_use", "id": self._blocks.calls.settle_id(piece.id or ""), "name": name, "input": call_input})
                self._blocks.calls.any = True
        if grown:
            self.pieces, self.text_bytes = 1, grown
        self.done = True
        return msgspec.json.encode(message(self._opening.id, self._model, content, *self._stop(), self._usage_fields()))

    # --- What a chunk says ------------------------------------------------------------------------------------------
    def _take(self, delta: Delta, frames: list[bytes]) -> int:
        """Thinking, text and tool calls of one delta, in this order; returns how many bytes of them were generated."""
        grown = 0
        if (delta.reasoning_content is not NOTHING or delta.reasoning is not NOTHING) and (raw := _thinking(delta)):
            grown += len(raw) - 2
            if not self._hide_thinking:
                self._blocks.say("thinking", raw, frames)
        if delta.content is not NOTHING and _is_text(raw := bytes(delta.content)):
            grown += len(raw) - 2
            self._blocks.say("text", raw, frames)
        if delta.refusal is not NOTHING and _is_text(raw := bytes(delta.refusal)):
            grown += len(raw) - 2
            self._refused = True
            self._blocks.say("text", raw, frames)
        if delta.tool_calls is not NOTHING and delta.tool_calls != NULL:
            for piece in _call_pieces(delta):
                grown += self._blocks.call(piece, frames)
        return grown

    # --- The end ----------------------------------------------------------------------------------------------------
    def _whole_thinking(self, raw: bytes) -> dict[str, object]:
        if self._omit_thinking:
            return {"type": "thinking", "thinking": "", "signature": sign(text_of(raw))}
        return {"type": "thinking", "thinking": msgspec.Raw(raw), "signature": sign()}

    def _stop(self) -> tuple[str, str | None]:
        """The reason, and the sequence if that was it."""
        reason = stop_reason(self.finish_reason, called=self._blocks.calls.any, refused=self._refused, sequence=self._stop_sequence)
        return reason, self._stop_sequence if reason == "stop_sequence" else None

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


def _as_utf8(payload: bytes) -> bytes:
    """What is no UTF-8 is shown as such, so that clients can read the rest."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return payload.decode(errors="replace").encode()
    return payload
