"""The messages of a chat request: their shapes are checked, their bytes kept. Pure, but for the setting of what engines may be sent to.

Only what every backend needs is asked for; a part of a type we do not know is the backend's to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from django.conf import settings

from apps.catalog.backend_urls import refuse_private_spelling
from apps.catalog.snapshot import ModelEntry
from apps.gateway.metering import ATTACHMENTS
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


class File(msgspec.Struct):
    """Structures, not dictionaries: what else is in it is passed over without being made into objects."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: InputAudio | None = None
    file: File | None = None


_decode_messages = msgspec.json.Decoder(list[Message])
_decode_part = msgspec.json.Decoder(Part)
# What a part of a type carries under its own name, and the modality a model must read for it.
NEEDS = {"text": ("text", "text"), "image_url": ("image_url", "image"), "input_audio": ("input_audio", "audio"), "file": ("file", "file")}
IMAGE_SCHEMES = ("https://", "http://")
MAX_MESSAGES = 10_000
MAX_PARTS = 20_000
MAX_VALUES = 1_000_000  # where messages are taken apart: a tenth of a second's work


@dataclass(slots=True)
class Conversation:
    """The messages of a request, and what of them is no text: how many pictures and recordings, their bytes, and what has to be read."""

    messages: list[Message]
    attachments: int = 0
    attachment_bytes: int = 0
    modalities: list[tuple[str, str]] = field(default_factory=list)  # (where, what a model must read)


def check_messages(raw: msgspec.Raw) -> Conversation:
    """At least one message, each with a known role and content of a known form. Raises BadRequest that names the place."""
    text = bytes(raw)
    # Counted before they are parsed: millions of tiny ones would hold everybody else up.
    if text.count(b'"role"') > MAX_MESSAGES or text.count(b'"type"') > MAX_PARTS:
        raise refuse("messages", f"at most {MAX_MESSAGES} messages and {MAX_PARTS} parts")
    conversation = Conversation(parse_part(_decode_messages, raw, "messages"))
    if not conversation.messages:
        raise refuse("messages", "at least one message is required")
    for number, message in enumerate(conversation.messages):
        place = f"messages[{number}]"
        if message.role == "tool" and message.tool_call_id is None:
            raise refuse(f"{place}.tool_call_id", "this field is required in a message of role 'tool'")
        if message.role == "function" and message.name is None:
            raise refuse(f"{place}.name", "this field is required in a message of role 'function'")
        if message.content is None and message.role != "assistant":
            raise refuse(f"{place}.content", f"this field is required in a message of role '{message.role}'")
        if isinstance(message.content, list):
            for index, part in enumerate(message.content):
                _check_part(part, f"{place}.content[{index}]", conversation)
    return conversation


def _check_part(raw: msgspec.Raw, place: str, conversation: Conversation) -> None:
    part = parse_part(_decode_part, raw, place)
    name, modality = NEEDS.get(part.type, ("", ""))
    if not name:
        return  # not one of OpenAI's: the backend's to judge, and all of it counts as text
    if getattr(part, name) is None:
        raise refuse(f"{place}.{name}", f"this field is required in a part of type '{part.type}'")
    if part.image_url is not None:
        check_image_address(part.image_url.url, f"{place}.image_url.url")
    conversation.modalities.append((place, modality))
    if part.type in ATTACHMENTS:
        conversation.attachments += 1
        conversation.attachment_bytes += len(bytes(raw))


def check_image_address(url: str, place: str) -> None:
    """A `data:` URL, or an address that engines, which fetch it themselves, may be sent to. Raises BadRequest."""
    if url.startswith("data:"):
        return
    if not url.startswith(IMAGE_SCHEMES):
        raise refuse(place, "an image is given by an address (https://) or as a data: URL")
    try:
        refuse_private_spelling(url, settings.ALLOW_PRIVATE_BACKENDS)
    except ValueError as error:
        raise refuse(place, str(error)) from None


def check_modalities(conversation: Conversation, model: ModelEntry) -> None:
    """A model that says what it reads is not sent anything else. Raises BadRequest."""
    if not model.input_modalities:
        return
    for place, modality in conversation.modalities:
        if modality not in model.input_modalities:
            raise refuse(place, f"the model {model.public_id!r} does not read {modality}")


def decoded(raw: msgspec.Raw) -> list[dict[str, Any]]:
    """All of the messages as Python's own values, which few requests need. Raises BadRequest for what would hold everybody else up."""
    text = bytes(raw)
    if text.count(b",") + text.count(b"[") + text.count(b"{") > MAX_VALUES:
        raise refuse("messages", f"at most {MAX_VALUES} values where functions or calls without arguments are in them")
    listed: list[dict[str, Any]] = msgspec.json.decode(text)
    return listed


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
