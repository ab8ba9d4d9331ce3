"""Reading a backend's answer as it passes: what the client gets to see, and the facts that settlement needs.

A chunk is decoded by a msgspec structure that keeps its texts raw: that is quicker than scanning for the same facts and notices
broken JSON. What the client sees are the backend's own bytes, changed only where it must see a change: the model's public id,
and usage it did not ask for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.catalog.pricing import Usage
from apps.gateway.endpoint import BackendRefused, BadAnswer
from apps.gateway.openai.functions import from_tools
from apps.gateway.openai.reasoning import show as show_reasoning
from apps.gateway.sse import DONE, frame

NOTHING = msgspec.Raw(b"")
NULL = msgspec.Raw(b"null")
DONE_FRAME = frame(DONE)
# No model writes or reads more in one request; a larger count is a broken backend.
MAX_TOKENS = 10_000_000


class _Delta(msgspec.Struct, gc=False):
    content: msgspec.Raw = NOTHING
    reasoning_content: msgspec.Raw = NOTHING
    reasoning: msgspec.Raw = NOTHING
    refusal: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    text: msgspec.Raw = NOTHING
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_decode = msgspec.json.Decoder(_Chunk).decode
# Where a value stands; inside of a text it would have to follow a colon, a comma or a bracket just the same, in a broken chunk only.
_NO_NUMBER = re.compile(rb"(?<=[:\[,])\s*(?:NaN|-?Infinity)(?=\s*[,}\]])")


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


def read_usage(raw: msgspec.Raw, most_prompt: int, most_completion: int) -> Usage | None:
    """Usage as the backend reports it, or None when it is missing, malformed or absurd: then our own count is used.

    msgspec takes integers only: no strings, booleans, fractions or NaN. Cached tokens beyond the prompt's and reasoning tokens beyond
    the output's are cut."""
    try:
        usage = msgspec.json.decode(raw, type=_Usage)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    cached = (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0
    reasoning = (usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens) or 0
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if not (
        0 <= prompt <= min(most_prompt, MAX_TOKENS)
        and 0 <= completion <= min(most_completion, MAX_TOKENS)
        and cached >= 0
        and reasoning >= 0
    ):
        return None
    return Usage(prompt, completion, cached_tokens=min(cached, prompt), reasoning_tokens=min(reasoning, completion))


@dataclass(frozen=True, slots=True)
class View:
    """What the client is to see: `public_model` in the place of `upstream_model`, a stream's usage only if it asked for it, no
    thinking if it wants none, and old-style function calls if it speaks in those."""

    upstream_model: str
    public_model: str
    show_usage: bool
    hide_reasoning: bool = False
    functions_for_tools: bool = False


class AnswerReader:
    """What one answer has said so far, whether streamed or whole."""

    def __init__(self, view: View, *, context_length: int, prompts: int = 1, choices: int = 1) -> None:
        self._view = view
        self._rename = (_model_field(view.upstream_model), _model_field(view.public_model))
        # Twice the context is more than any backend can have read for a prompt or written a choice: beyond that its count is absurd.
        self._most = (2 * context_length * prompts, 2 * context_length * choices)
        self.usage: Usage | None = None
        self.finish_reason = ""
        self._finished: set[int] = set()  # choices that came to their end
        self._choices = choices
        self.done = False
        self.pieces = 0  # chunks that carried something generated
        self.text_bytes = 0  # of it, as JSON

    @property
    def finished(self) -> bool:
        """The answer ended as an answer ends; anything else is a break."""
        return self.done or len(self._finished) >= self._choices

    def event(self, payload: bytes) -> bytes:
        """One event of a stream; returns the frame for the client, empty to hide it. Raises BadAnswer and BackendRefused."""
        if payload == DONE:
            self.done = True
            return b""
        if not payload or payload.isspace():
            return b""
        chunk, payload = self._read(payload)
        rewrite = False
        for choice in chunk.choices or ():
            rewrite = self._take(choice, choice.delta) or rewrite
        if not self._view.show_usage and b'"usage"' in payload:
            if not chunk.choices and self._has_usage(chunk):
                return b""
            return frame(self._edited(payload, rewrite))
        return frame(self._edited(payload, rewrite) if rewrite else self._renamed(payload, chunk.model))

    def end(self) -> bytes:
        return DONE_FRAME

    def whole(self, body: bytes) -> bytes:
        """A whole answer; returns the body for the client. Raises BadAnswer and BackendRefused."""
        answer, body = self._read(body)
        if answer.choices is None:
            raise BadAnswer("an answer without choices")
        rewrite = False
        for choice in answer.choices:
            rewrite = self._take(choice, choice.message) or rewrite
        self.done = True
        return self._edited(body, rewrite) if rewrite else self._renamed(body, answer.model)

    def _take(self, choice: _Choice, carrier: _Delta | None) -> bool:
        """Notes what a choice says; returns whether the client must see it otherwise than the backend wrote it."""
        if choice.finish_reason:
            self.finish_reason = _known_word(choice.finish_reason)
            self._finished.add(choice.index)
        if grown := (_length(carrier) if carrier is not None else 0) + _text_length(choice.text):
            self.pieces += 1
            self.text_bytes += grown
        if self._view.functions_for_tools:
            return True
        if carrier is None:
            return False
        under_one, under_other = carrier.reasoning_content is not NOTHING, carrier.reasoning is not NOTHING
        return under_one != under_other or (self._view.hide_reasoning and under_one)

    def _read(self, payload: bytes) -> tuple[_Chunk, bytes]:
        """The chunk, and the payload as valid JSON."""
        try:
            try:
                chunk = _decode(payload)
            except msgspec.DecodeError:
                # Python's json writes NaN and Infinity, which are no JSON: whoever reads our answer must not trip over them either.
                chunk = _decode(payload := _NO_NUMBER.sub(b"null", payload))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer(f"not a chunk of an answer: {error}") from None
        if chunk.error != NULL:
            raise BackendRefused(f"an error object of {len(bytes(chunk.error))} bytes")  # its text may quote the prompt
        if self._has_usage(chunk):
            # The last report counts: some backends report a running total in every chunk.
            self.usage = read_usage(chunk.usage, *self._most)
        return chunk, payload

    @staticmethod
    def _has_usage(chunk: _Chunk) -> bool:
        return chunk.usage != NULL

    def _renamed(self, payload: bytes, model: str | None) -> bytes:
        if model is None or model == self._view.public_model:
            return payload
        renamed = payload.replace(*self._rename, 1)
        return renamed if renamed != payload else self._edited(payload, rewrite=False)

    def _edited(self, payload: bytes, rewrite: bool) -> bytes:
        """A chunk that has to be written anew: model set, usage nobody asked for left out, and with `rewrite` its choices changed."""
        fields: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        if "model" in fields:
            fields["model"] = self._view.public_model
        if not self._view.show_usage:
            fields.pop("usage", None)
        if rewrite:
            fields["choices"] = msgspec.json.decode(fields["choices"])
            for choice in fields["choices"]:
                self._rewrite(choice)
        return msgspec.json.encode(fields)

    def _rewrite(self, choice: dict[str, Any]) -> None:
        carrier = choice.get("delta") or choice.get("message")
        if isinstance(carrier, dict):
            show_reasoning(carrier, exclude=self._view.hide_reasoning)
        if self._view.functions_for_tools:
            from_tools(choice)


def _known_word(reason: str) -> str:
    """A finish reason for the log: a short word. A backend that sends anything else has still finished."""
    return reason if reason.isascii() and reason.replace("_", "").isalnum() and len(reason) <= 32 else "other"


def _model_field(name: str) -> bytes:
    return b'"model":' + msgspec.json.encode(name)


def _text_length(raw: msgspec.Raw) -> int:
    """Bytes of a raw JSON string without its quotes; 0 for null and what is not there."""
    text = bytes(raw)
    return len(text) - 2 if text[:1] == b'"' else 0


def _length(delta: _Delta) -> int:
    text = (
        _text_length(delta.content) + (_text_length(delta.reasoning_content) or _text_length(delta.reasoning)) + _text_length(delta.refusal)
    )
    calls = bytes(delta.tool_calls)
    return text + (len(calls) if len(calls) > 4 else 0)
