"""Thinking: how much of it is asked for, and how it comes back in the next request. Pure.

Anthropic signs thinking so that it can be sent back unchanged. Ours needs no proof, but a string must stand there; where the client
wants to see no thinking (`display: "omitted"`) the signature carries it, so that the model finds its thoughts again in a long task.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec

from apps.gateway.openai.reasoning import Effort, Reasoning

MARK = b"akml:"


class Thinking(msgspec.Struct):
    """`budget_tokens` with type `enabled`. A type of a later date counts as `adaptive`: the model decides."""

    type: str
    budget_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    display: str | None = None

    @property
    def hidden(self) -> bool:
        return self.type == "disabled"

    @property
    def omitted(self) -> bool:
        return self.display == "omitted"


class OutputFormat(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, msgspec.Raw]


class OutputConfig(msgspec.Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


def reasoning(thinking: Thinking | None, effort: str | None) -> tuple[Reasoning | None, Effort | None]:
    """What is asked, in the words of our own `reasoning` and `reasoning_effort`."""
    asked: Any = "xhigh" if effort == "max" else effort
    if thinking is None or thinking.type not in ("enabled", "disabled"):
        return None, asked
    return Reasoning(enabled=thinking.type == "enabled", max_tokens=thinking.budget_tokens), asked


def sign(text: str = "") -> str:
    """A signature; with `text`, one that carries it."""
    return base64.b64encode(MARK + text.encode("utf-8", "surrogatepass")).decode()


def signed_text(signature: str) -> str:
    """The thinking that a signature of ours carries; empty for any other."""
    try:
        carried = base64.b64decode(signature, validate=True)
        return carried.removeprefix(MARK).decode() if carried.startswith(MARK) else ""
    except (binascii.Error, ValueError):
        return ""
