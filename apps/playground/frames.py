"""The frames that the page sends, checked as they are decoded; and the words of those we send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from django.conf import settings

from apps.catalog.models import public_id_validator
from apps.gateway.errors import BadRequest
from apps.gateway.openai.fields import bad_field
from apps.playground.errors import Refused

# Of a frame, and of a body of the JSON addresses. Below what uvicorn takes (ws-max-size, 16 MiB), so that a larger one is refused in words.
MESSAGE_BYTES = min(settings.MAX_REQUEST_BYTES, 12_000_000)
MAX_NEW_MESSAGES = 200
MAX_PARTS = 100
# What the Playground sees to itself, and the deprecated form of tools.
RESERVED = ("model", "messages", "stream", "stream_options", "n", "preset", "functions", "function_call")

ModelName = Annotated[str, msgspec.Meta(max_length=200, pattern=public_id_validator.regex.pattern.replace(r"\Z", "$"))]


class ImageUrl(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    url: Annotated[str, msgspec.Meta(pattern="^data:image/[a-z0-9.+-]{1,40};base64,")]
    detail: Literal["auto", "low", "high"] | None = None


class TextPart(msgspec.Struct, tag="text", forbid_unknown_fields=True):
    text: str


class ImagePart(msgspec.Struct, tag="image_url", forbid_unknown_fields=True):
    image_url: ImageUrl


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One to be added to the conversation. A tool's result is a text, and so is an answer that was edited."""

    id: UUID
    role: Literal["user", "assistant", "tool"]
    content: str | Annotated[list[TextPart | ImagePart], msgspec.Meta(min_length=1, max_length=MAX_PARTS)]
    tool_call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class NewMessages(msgspec.Struct, forbid_unknown_fields=True):
    """To be kept one below the other without asking a model, such as an answer that was edited."""

    messages: Annotated[list[NewMessage], msgspec.Meta(min_length=1, max_length=MAX_NEW_MESSAGES)]
    parent: UUID | None = None


class Request(msgspec.Struct, forbid_unknown_fields=True):
    model: ModelName
    system_prompt: str = ""
    parameters: dict[str, msgspec.Raw] = {}


class RunFrame(msgspec.Struct, tag="run", forbid_unknown_fields=True):
    run: UUID
    conversation: UUID
    request: Request
    parent: UUID | None = None
    messages: Annotated[list[NewMessage], msgspec.Meta(max_length=MAX_NEW_MESSAGES)] = []


class StopFrame(msgspec.Struct, tag="stop", forbid_unknown_fields=True):
    run: UUID


class ResumeFrame(msgspec.Struct, tag="resume", forbid_unknown_fields=True):
    run: UUID
    after: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


class Named(msgspec.Struct):
    """Whatever else a frame says."""

    run: UUID


Frame = RunFrame | StopFrame | ResumeFrame
_decode = msgspec.json.Decoder(Frame).decode
_decode_named = msgspec.json.Decoder(Named).decode


def read(text: str) -> Frame:
    """Raises Refused, which names the field."""
    if len(text) > MESSAGE_BYTES or len(encoded := text.encode()) > MESSAGE_BYTES:
        raise Refused(
            f"That was larger than {MESSAGE_BYTES / 1e6:g} MB: send fewer or smaller images, or less text.", code="message_too_large"
        )
    try:
        frame = _decode(encoded)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        problem: BadRequest = bad_field(str(error))
        raise Refused(problem.message, code=problem.code, param=problem.param) from None
    if isinstance(frame, RunFrame):
        _check(frame)
    return frame


def run_named(text: str) -> UUID | None:
    """The run that a frame is about, which could not be read otherwise."""
    try:
        return _decode_named(text).run if len(text) <= MESSAGE_BYTES else None
    except (msgspec.MsgspecError, RecursionError):
        return None


def check_messages(messages: Sequence[NewMessage]) -> None:
    """Raises Refused, which names the field."""
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if (message.role == "tool") != (message.tool_call_id is not None):
            raise Refused(
                f"{place}.tool_call_id: the result of a tool names the call that it answers, and nothing else does.",
                code="invalid_request",
                param=f"{place}.tool_call_id",
            )
        if message.role != "user" and not isinstance(message.content, str):
            what = "the result of a tool" if message.role == "tool" else "an edited answer"
            raise Refused(f"{place}.content: {what} is a text.", code="invalid_request", param=f"{place}.content")


def _check(frame: RunFrame) -> None:
    """What one field says about another."""
    check_messages(frame.messages)
    ids = [frame.run, *(message.id for message in frame.messages)]
    if len(set(ids)) < len(ids):
        raise Refused("messages: each message needs an id of its own.", code="invalid_request", param="messages")
    for name in RESERVED:
        if name in frame.request.parameters:
            raise Refused(
                f"request.parameters.{name}: the Playground sets this itself; leave it out.",
                code="invalid_request",
                param=f"request.parameters.{name}",
            )


def encode(kind: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"type": kind, **fields})
