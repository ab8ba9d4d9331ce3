"""Why an answer ended, in Anthropic's words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class _Choice(msgspec.Struct):
    """Where engines tell the stop sequence that was hit: vLLM and SGLang. A number is a token, null the model's own end."""

    stop_reason: str | int | None = None
    matched_stop: str | int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_decode = msgspec.json.Decoder(_Answer).decode


def matched(payload: bytes, sequences: Sequence[str]) -> str | None:
    """The stop sequence that ended this answer, if its engine says so."""
    if not sequences:
        return None
    try:
        choices = _decode(payload).choices
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    for choice in choices:
        for said in (choice.stop_reason, choice.matched_stop):
            if isinstance(said, str) and said in sequences:
                return said
    return None


def stop_reason(finish_reason: str, *, called: bool, refused: bool, sequence: str | None) -> str:
    """`finish_reason` is the backend's. Some engines say `stop` where they have called a tool."""
    if finish_reason == "length":
        return "max_tokens"
    if refused or finish_reason == "content_filter":
        return "refusal"
    if called:
        return "tool_use"
    return "stop_sequence" if sequence is not None else "end_turn"
