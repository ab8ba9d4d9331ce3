"""Reading a backend's answer as it passes: what a client of OpenAI's dialect gets to see, and the facts that settlement needs.

What it sees are the backend's own bytes, changed only where it must see a change: the model's public id, and usage it did not ask for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from apps.catalog.pricing import Usage
from apps.gateway.endpoint import BadAnswer
from apps.gateway.openai.chunks import (
    NOTHING,
    NULL,
    Choice,
    Delta,
    decode_chunk,
    generated_length,
    known_word,
    only_text,
    read_usage,
    text_length,
)
from apps.gateway.openai.functions import from_tools
from apps.gateway.openai.reasoning import show as show_reasoning
from apps.gateway.openai.template import ChunkTemplate
from apps.gateway.sse import DONE, frame

DONE_FRAME = frame(DONE)


class View(msgspec.Struct, frozen=True, gc=False):
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
        self._template = ChunkTemplate()

    @property
    def finished(self) -> bool:
        """The answer ended as an answer ends; anything else is a break."""
        return self.done or len(self._finished) >= self._choices

    def event(self, payload: bytes) -> bytes:
        """One event of a stream; returns the frame for the client, empty to hide it. Raises BadAnswer and BackendRefused."""
        shown = self._template.fill(payload)
        if shown is not None:
            self.pieces += 1
            self.text_bytes += self._template.text_bytes
            return shown
        if payload == DONE:
            self.done = True
            return b""
        if not payload or payload.isspace():
            return b""
        chunk, payload = decode_chunk(payload)
        if chunk.usage != NULL:
            # The last report counts: some backends report a running total in every chunk.
            self.usage = read_usage(chunk.usage, *self._most)
        rewrite = False
        for choice in chunk.choices or ():
            rewrite = self._take(choice, choice.delta) or rewrite
        if not self._view.show_usage and b'"usage"' in payload:
            if not chunk.choices and chunk.usage != NULL:
                return b""
            return frame(self._edited(payload, rewrite))
        shown = frame(self._edited(payload, rewrite) if rewrite else self._renamed(payload, chunk.model))
        if not rewrite and (text := only_text(chunk)) is not None:
            self._template.learn(payload, shown, text)
        return shown

    def end(self) -> bytes:
        return DONE_FRAME

    def whole(self, body: bytes) -> bytes:
        """A whole answer; returns the body for the client. Raises BadAnswer and BackendRefused."""
        answer, body = decode_chunk(body)
        if answer.usage != NULL:
            self.usage = read_usage(answer.usage, *self._most)
        if answer.choices is None:
            raise BadAnswer("an answer without choices")
        rewrite = False
        for choice in answer.choices:
            rewrite = self._take(choice, choice.message) or rewrite
        self.done = True
        return self._edited(body, rewrite) if rewrite else self._renamed(body, answer.model)

    def _take(self, choice: Choice, carrier: Delta | None) -> bool:
        """Notes what a choice says; returns whether the client must see it otherwise than the backend wrote it."""
        if choice.finish_reason:
            self.finish_reason = known_word(choice.finish_reason)
            self._finished.add(choice.index)
        if grown := (generated_length(carrier) if carrier is not None else 0) + text_length(choice.text):
            self.pieces += 1
            self.text_bytes += grown
        if self._view.functions_for_tools:
            return True
        if carrier is None:
            return False
        under_one, under_other = carrier.reasoning_content is not NOTHING, carrier.reasoning is not NOTHING
        return under_one != under_other or (self._view.hide_reasoning and under_one)

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


@lru_cache(maxsize=4096)
def _model_field(name: str) -> bytes:
    return b'"model":' + msgspec.json.encode(name)
