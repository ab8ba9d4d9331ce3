"""How much a model should think: the client's `reasoning` and `reasoning_effort`, in the words of the model's backend. Pure.

What a backend understands is a setting of the model (`Model.reasoning`), never code per model. Each key names where a value goes in
the backend's request, as a path with dots:

    {"effort": "reasoning_effort", "efforts": ["low", "medium", "high"],
     "enabled": "chat_template_kwargs.enable_thinking", "max_tokens": "thinking_token_budget"}

`efforts` lists what the backend takes, from little to much; another effort becomes the nearest one. All keys are optional. A model
without settings gets `reasoning_effort` as the client wrote it, and no `reasoning`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
SCALE: list[str] = ["none", "minimal", "low", "medium", "high", "xhigh"]


class Reasoning(msgspec.Struct):
    """AkashML's own request field. `exclude` thinks but does not show it."""

    effort: Effort | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    exclude: bool | None = None
    enabled: bool | None = None


def apply(fields: dict[str, Any], settings: dict[str, Any], reasoning: Reasoning | None, effort: str | None) -> None:
    """Rewrites a request's fields for a model with these settings. `reasoning` says more than `reasoning_effort` and goes first."""
    fields.pop("reasoning", None)
    if not settings:
        return
    fields.pop("reasoning_effort", None)
    asked = reasoning.effort if reasoning is not None and reasoning.effort is not None else effort
    enabled = reasoning.enabled if reasoning is not None else None
    if asked == "none":
        enabled = False
    elif asked is not None and enabled is None:
        enabled = True
    if enabled is not None and "enabled" in settings:
        _put(fields, settings["enabled"], enabled)
    if "effort" in settings:
        efforts = settings.get("efforts") or SCALE
        if enabled is False:
            # A backend that cannot be told to stop thinking is told to think as little as it can.
            if "none" in efforts or "enabled" not in settings:
                _put(fields, settings["effort"], efforts[0])
        elif asked is not None:
            _put(fields, settings["effort"], nearest(asked, efforts))
    if reasoning is not None and reasoning.max_tokens is not None and "max_tokens" in settings and enabled is not False:
        _put(fields, settings["max_tokens"], reasoning.max_tokens)


def nearest(effort: str, efforts: list[str]) -> str:
    """The effort of `efforts` that is closest on our scale, the smaller of two; one that is not on the scale goes as it is if listed."""
    if effort in efforts or effort not in SCALE:
        return effort if effort in efforts else efforts[-1]
    known = [e for e in efforts if e in SCALE and e != "none"] or efforts
    return min(known, key=lambda e: abs(SCALE.index(e) - SCALE.index(effort)) if e in SCALE else len(SCALE))


def _put(fields: dict[str, Any], path: str, value: Any) -> None:
    """Sets `a.b.c` in nested objects; raw values on the way are decoded."""
    *parents, name = path.split(".")
    place = fields
    for parent in parents:
        inner = place.get(parent)
        if isinstance(inner, msgspec.Raw):
            inner = msgspec.json.decode(inner)
        place[parent] = dict(inner) if isinstance(inner, dict) else {}
        place = place[parent]
    place[name] = value


def show(carrier: dict[str, Any], exclude: bool) -> None:
    """Rewrites a message or a delta: thinking under both names that clients read, or under none."""
    thinking = carrier.get("reasoning_content")
    if thinking is None:
        thinking = carrier.get("reasoning")
    if exclude:
        for name in ("reasoning_content", "reasoning", "reasoning_details"):
            carrier.pop(name, None)
    elif isinstance(thinking, str):
        carrier["reasoning_content"] = carrier["reasoning"] = thinking
