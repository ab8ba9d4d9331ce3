"""Tool calls of a stream, put together from the pieces of its deltas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def whole_calls(deltas: Iterable[bytes]) -> list[dict[str, Any]]:
    """OpenAI's calls, in the order of their indices; each delta is the JSON of one `tool_calls`. What is no call is left out."""
    calls: dict[int, dict[str, Any]] = {}
    for raw in deltas:
        try:
            pieces = _decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        for piece in pieces:
            function, index = piece.get("function"), piece.get("index")
            function = function if isinstance(function, dict) else {}
            index = index if isinstance(index, int) else len(calls)
            call = calls.setdefault(index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = call["id"] or _string(piece.get("id"))
            call["function"]["name"] = call["function"]["name"] or _string(function.get("name"))
            call["function"]["arguments"] += _string(function.get("arguments"))
    return [calls[index] for index in sorted(calls)]


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
