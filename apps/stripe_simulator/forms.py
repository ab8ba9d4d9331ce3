"""Stripe's requests: form fields with nested names (`line_items[0][price_data][currency]=usd`), and typed reads of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from apps.stripe_simulator.errors import invalid

NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
STEP = re.compile(r"\[([^\[\]]*)\]")
DEEPEST = 8
Params = dict[str, Any]


def parse(text: str) -> Params:
    """The fields as nested dicts and lists; every leaf is a string. StripeError for a name that is not one."""
    root: Params = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found = NAME.fullmatch(name)
        if found is None:
            raise invalid(f"Invalid parameter name: {name[:100]!r}", name[:100])
        steps = [found[1], *STEP.findall(found[2])]
        if len(steps) > DEEPEST:
            raise invalid(f"Nested too deeply: {name[:100]}", name[:100])
        _put(root, steps, value, name)
    return {name: _with_lists(value) for name, value in root.items()}


def _put(place: Params, steps: list[str], value: str, name: str) -> None:
    for step in steps[:-1]:
        place = place.setdefault(step or str(len(place)), {})
        if not isinstance(place, dict):
            raise invalid(f"Sent both as a value and as a group of values: {name[:100]}", name[:100])
    place[steps[-1] or str(len(place))] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(each) for name, each in value.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def only(params: Params, allowed: Iterable[str]) -> None:
    """StripeError for a parameter that this address does not know."""
    for name in params.keys() - set(allowed) - {"expand"}:
        raise invalid(f"Received unknown parameter: {name[:100]}", name[:100], "parameter_unknown")


def text(params: Params, name: str, default: str | None = None) -> str | None:
    """A string; sent empty, it counts as not sent."""
    value = params.get(name)
    if isinstance(value, (dict, list)):
        raise invalid(f"Invalid string: {name}", name)
    return value or default


def required(params: Params, name: str) -> str:
    value = text(params, name)
    if value is None:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return value


def integer(params: Params, name: str, default: int | None = None) -> int | None:
    value = text(params, name)
    if value is None:
        return default
    if not re.fullmatch(r"-?\d{1,15}", value):
        raise invalid(f"Invalid integer: {value[:100]}", name, "parameter_invalid_integer")
    return int(value)


def flag(params: Params, name: str, default: bool = False) -> bool:
    value = text(params, name)
    if value in (None, "true", "false"):
        return default if value is None else value == "true"
    raise invalid(f"Invalid boolean: {value}", name)


def group(params: Params, name: str) -> Params:
    """A group of fields; {} when none was sent."""
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise invalid(f"Invalid object: {name}", name)
    return value


def items(params: Params, name: str) -> list[Any]:
    value = params.get(name) or []
    if not isinstance(value, list):
        raise invalid(f"Invalid array: {name}", name)
    return value


def metadata(params: Params, before: dict[str, str] | None = None) -> dict[str, str]:
    """Metadata as it is after the request: fields that were sent empty are gone. StripeError beyond Stripe's limits."""
    merged = dict(before or {})
    for name, value in group(params, "metadata").items():
        if not isinstance(value, str) or len(name) > 40 or len(value) > 500:
            raise invalid("Metadata: keys have up to 40 and values up to 500 characters.", f"metadata[{name[:40]}]")
        merged[name] = value
    merged = {name: value for name, value in merged.items() if value}
    if len(merged) > 50:
        raise invalid("Metadata: up to 50 keys.", "metadata")
    return merged
