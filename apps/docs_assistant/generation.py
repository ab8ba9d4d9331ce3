"""One answer on its way out: cut at stop sequences and the token bound, divided into chunks, in OpenAI's shapes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.ids import uuid7
from apps.docs_assistant import tokenizer

CHUNK_TOKENS = 5  # about three words
LONGEST_CHUNK_TOKENS = 16  # for scripts without spaces between words


@dataclass(frozen=True)
class Answer:
    """The tokens that go out, and why they end."""

    pieces: list[str]
    finish_reason: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def chunks(self) -> Iterator[list[str]]:
        """The tokens a few words at a time."""
        chunk: list[str] = []
        for piece in self.pieces:
            if chunk and (len(chunk) >= LONGEST_CHUNK_TOKENS or (len(chunk) >= CHUNK_TOKENS and piece[0] in " \n")):
                yield chunk
                chunk = []
            chunk.append(piece)
        if chunk:
            yield chunk


def cut(text: str, stops: Sequence[str], max_tokens: int | None) -> Answer:
    """The answer that ends before the first stop sequence or after `max_tokens` tokens, whichever comes first."""
    ends = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    pieces = tokenizer.split(text[: min(ends)] if ends else text)
    if max_tokens is not None and len(pieces) > max_tokens:
        return Answer(pieces[:max_tokens], "length")
    return Answer(pieces, "stop")


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


@dataclass
class Shape:
    """OpenAI's JSON for one response: of `/v1/chat/completions` when `chat`, else of `/v1/completions`."""

    model: str
    chat: bool
    include_usage: bool = False
    id: str = field(init=False)
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.id = f"{'chatcmpl' if self.chat else 'cmpl'}-{uuid7().hex}"

    def whole(self, answers: Sequence[Answer], prompt_tokens: int) -> dict[str, Any]:
        """The body of a response that is not streamed."""
        choices = [
            self._choice(
                number, {"role": "assistant", "content": answer.text, "refusal": None}, answer.text, answer.finish_reason, "message"
            )
            for number, answer in enumerate(answers)
        ]
        return {**self._head(""), "choices": choices, "usage": usage(prompt_tokens, sum(len(answer.pieces) for answer in answers))}

    def opening(self, index: int) -> dict[str, Any] | None:
        """The first chunk of a choice: whose words follow. Plain completions have none."""
        return self._chunk(index, {"role": "assistant", "content": ""}, "", None) if self.chat else None

    def delta(self, index: int, text: str) -> dict[str, Any]:
        return self._chunk(index, {"content": text}, text, None)

    def closing(self, index: int, finish_reason: str) -> dict[str, Any]:
        return self._chunk(index, {}, "", finish_reason)

    def total(self, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
        """The last chunk for clients that asked for the usage."""
        return {**self._head(".chunk"), "choices": [], "usage": usage(prompt_tokens, completion_tokens)}

    def _head(self, suffix: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": f"chat.completion{suffix}" if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
        }

    def _choice(self, index: int, message: dict[str, Any], text: str, finish_reason: str | None, name: str) -> dict[str, Any]:
        said = {name: message} if self.chat else {"text": text}
        return {"index": index, **said, "logprobs": None, "finish_reason": finish_reason}

    def _chunk(self, index: int, delta: dict[str, Any], text: str, finish_reason: str | None) -> dict[str, Any]:
        chunk = {**self._head(".chunk"), "choices": [self._choice(index, delta, text, finish_reason, "delta")]}
        return {**chunk, "usage": None} if self.include_usage else chunk
