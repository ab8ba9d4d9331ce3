"""The messages of a chat request: their shapes are checked, their bytes kept. Pure.

Only what every backend needs is asked for; a part of a type we do not know is the backend's to judge.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from apps.catalog.snapshot import ModelEntry
from apps.gateway.openai.fields import parse_part, refuse

ROLES = Literal["system", "developer", "user", "assistant", "tool", "function"]


class FunctionCall(msgspec.Struct):
    name: str
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Message(msgspec.Struct):
    role: ROLES
    content: str | list[msgspec.Raw] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None


class ImageUrl(msgspec.Struct):
    url: Annotated[str, msgspec.Meta(min_length=1)]


class InputAudio(msgspec.Struct):
    data: Annotated[str, msgspec.Meta(min_length=1)]
    format: str


class Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: InputAudio | None = None


_decode_messages = msgspec.json.Decoder(list[Message])
_decode_part = msgspec.json.Decoder(Part)
# What a part of a type carries under its own name, and the modality a model must read for it.
NEEDS = {"text": ("text", "text"), "image_url": ("image_url", "image"), "input_audio": ("input_audio", "audio")}


def check_messages(raw: msgspec.Raw) -> list[Message]:
    """At least one message, each with a known role and content of a known form. Raises BadRequest that names the place."""
    messages = parse_part(_decode_messages, raw, "messages")
    if not messages:
        raise refuse("messages", "at least one message is required")
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if message.role == "tool" and message.tool_call_id is None:
            raise refuse(f"{place}.tool_call_id", "this field is required in a message of role 'tool'")
        if message.role == "function" and message.name is None:
            raise refuse(f"{place}.name", "this field is required in a message of role 'function'")
        if message.content is None and message.role != "assistant":
            raise refuse(f"{place}.content", f"this field is required in a message of role '{message.role}'")
        if isinstance(message.content, list):
            for index, part in enumerate(message.content):
                _check_part(part, f"{place}.content[{index}]")
    return messages


def _check_part(raw: msgspec.Raw, place: str) -> None:
    part = parse_part(_decode_part, raw, place)
    if part.type in NEEDS and getattr(part, NEEDS[part.type][0]) is None:
        raise refuse(f"{place}.{NEEDS[part.type][0]}", f"this field is required in a part of type '{part.type}'")


def check_modalities(messages: list[Message], model: ModelEntry) -> None:
    """A model that says what it reads is not sent anything else. Raises BadRequest."""
    if not model.input_modalities:
        return
    for number, message in enumerate(messages):
        if not isinstance(message.content, list):
            continue
        for index, raw in enumerate(message.content):
            kind = _decode_part.decode(raw).type
            modality = NEEDS.get(kind, ("", "text"))[1]
            if modality not in model.input_modalities:
                raise refuse(f"messages[{number}].content[{index}]", f"the model {model.public_id!r} does not read {modality}")


def repair(messages: list[dict[str, Any]]) -> None:
    """Some clients replay a tool call without arguments as `""`, which is not JSON: backends get `{}`."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            if not call["function"].get("arguments"):
                call["function"]["arguments"] = "{}"


def needs_repair(raw: msgspec.Raw, messages: list[Message]) -> bool:
    """Whether `repair` would change anything; looked into only where a call's arguments may be empty."""
    return b'"tool_calls"' in bytes(raw) and any(
        not call.function.arguments for message in messages if message.tool_calls for call in message.tool_calls
    )
