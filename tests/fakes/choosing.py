"""Directives: a request can say in its last user message how it wants to be answered, so that parallel requests can differ."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from tests.fakes.actions import Action, close, finish, hang, reset
from tests.fakes.answers import Behaviour, Point, Status
from tests.fakes.reply import OMIT, Reply

_DIRECTIVE = re.compile(r"#([a-z_]+)=(\S+)")
_ENDINGS: Mapping[str, Action] = {"close": close, "finish": finish, "hang": hang, "reset": reset}
_NUMBERS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


def directed(message: str, default: Behaviour) -> Behaviour:
    """The behaviour that `message` asks for by `#name=value` words, on top of `default` when that is a Reply.

    #tokens=N pieces of text, #delay=SECONDS before each, #prompt_tokens=N, #completion_tokens=N, #cached_tokens=N,
    #reasoning_tokens=N, #finish_reason=WORD, #usage=omit or null, #status=N, and #reset=POINT, #close=POINT,
    #finish=POINT, #hang=POINT (see Reply for the points). Raises ValueError for any other name.
    """
    words = dict(_DIRECTIVE.findall(message))
    if not words:
        return default
    if "status" in words:
        return Status(int(words["status"]))
    changes: dict[str, Any] = {}
    at: dict[Point, Action] = {}
    for name, value in words.items():
        if name == "tokens":
            changes["chunks"] = [f"w{number} " for number in range(int(value))]
        elif name == "delay":
            changes["delay_s"] = float(value)
        elif name in _NUMBERS:
            changes[name] = int(value)
        elif name == "finish_reason":
            changes[name] = value
        elif name == "usage" and value in ("omit", "null"):
            changes[name] = OMIT if value == "omit" else None
        elif name in _ENDINGS:
            at[value] = _ENDINGS[name]
        else:
            raise ValueError(f"unknown directive #{name}={value}")
    if at:
        changes["at"] = at
    return dataclasses.replace(default if isinstance(default, Reply) else Reply(), **changes)
