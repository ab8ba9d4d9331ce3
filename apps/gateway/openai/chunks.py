"""What a backend sends, in OpenAI's dialect: chunks and whole answers, decoded just enough to know usage, end and how much text there was.

A chunk is decoded by a msgspec structure that keeps its texts raw: that is quicker than scanning for the same facts and notices
broken JSON.
"""

from __future__ import annotations

import re

import msgspec

from apps.catalog.pricing import Usage
from apps.gateway.endpoint import BackendRefused, BadAnswer

NOTHING = msgspec.Raw(b"")
NULL = msgspec.Raw(b"null")
# No model writes or reads more in one request; a larger count is a broken backend.
MAX_TOKENS = 10_000_000


class Delta(msgspec.Struct, gc=False):
    content: msgspec.Raw = NOTHING
    reasoning_content: msgspec.Raw = NOTHING
    reasoning: msgspec.Raw = NOTHING
    refusal: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    text: msgspec.Raw = NOTHING
    finish_reason: str | None = None


class Chunk(msgspec.Struct, gc=False):
    model: str | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_decode = msgspec.json.Decoder(Chunk).decode
_decode_text = msgspec.json.Decoder(str).decode
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


def decode_chunk(payload: bytes) -> tuple[Chunk, bytes]:
    """The chunk, and the payload as valid JSON. Raises BadAnswer and BackendRefused."""
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
    return chunk, payload


def only_text(chunk: Chunk) -> bytes | None:
    """The text of a chunk that says nothing else than a piece of one answer's text: a JSON string with its quotes, not empty."""
    if chunk.choices is None or len(chunk.choices) != 1 or chunk.usage != NULL:
        return None
    choice = chunk.choices[0]
    if choice.finish_reason is not None or choice.message is not None:
        return None
    delta = choice.delta
    if delta is None:
        text = bytes(choice.text)
    elif choice.text == delta.reasoning_content == delta.reasoning == delta.refusal == delta.tool_calls == NOTHING:
        text = bytes(delta.content)
    else:
        return None
    return text if len(text) > 2 and text[:1] == b'"' else None


def known_word(reason: str) -> str:
    """A finish reason for the log: a short word. A backend that sends anything else has still finished."""
    return reason if reason.isascii() and reason.replace("_", "").isalnum() and len(reason) <= 32 else "other"


def text_of(raw: bytes) -> str:
    """A raw JSON string; what is no text in it (half a character) is shown as such."""
    try:
        return _decode_text(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw[1:-1].decode(errors="replace")


def text_length(raw: msgspec.Raw) -> int:
    """Bytes of a raw JSON string without its quotes; 0 for null and what is not there."""
    text = bytes(raw)
    return len(text) - 2 if text[:1] == b'"' else 0


def generated_length(delta: Delta) -> int:
    """Bytes of everything a model has generated in this piece, as JSON."""
    text = text_length(delta.content) + (text_length(delta.reasoning_content) or text_length(delta.reasoning)) + text_length(delta.refusal)
    calls = bytes(delta.tool_calls)
    return text + (len(calls) if len(calls) > 4 else 0)
