"""What `POST /v1/chat/completions` accepts. The structure is the validation and, through the REST door, the published schema.

Parameters with a documented type or range are checked here; large parts (messages, tools) stay raw bytes; unknown fields are
passed on to the backend as they are.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from apps.catalog.snapshot import BackendEntry
from apps.gateway.errors import BadRequest

MAX_CHOICES = 128
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct):
    """Field names and ranges are OpenAI's (API reference, "Create chat completion")."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    messages: msgspec.Raw
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]] | None = None
    user: str | None = None
    service_tier: Literal["auto", "default"] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    tools: list[msgspec.Raw] | None = None
    response_format: msgspec.Raw | None = None

    @property
    def max_output(self) -> int | None:
        """The client's own bound of output tokens a choice, if it set one."""
        return self.max_completion_tokens or self.max_tokens


_decode_request = msgspec.json.Decoder(ChatRequest).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_REQUIRED = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


def parse(body: bytes) -> ChatRequest:
    """Raises BadRequest that names the field."""
    try:
        if not body.isascii():
            body.decode()  # the decoder passes over what stays raw
        request = _decode_request(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    _check_messages(request.messages)
    return request


def invalid_field(error: msgspec.ValidationError) -> BadRequest:
    """msgspec's message in our words: the field first."""
    return _named(str(error), prefix="")


def _named(text: str, prefix: str) -> BadRequest:
    """`prefix` is the field whose value was decoded by itself; msgspec's paths start there."""
    place = _PLACE.search(text)
    reason = text[: place.start()] if place else text
    path = prefix + (place["path"] if place else "")
    if missing := _REQUIRED.match(reason):
        field = f"{path}.{missing['field']}" if path else missing["field"]
        return BadRequest(f"{field}: this field is required.", param=field, code="missing_required_parameter")
    reason = reason.replace("`", "'")
    if not path:
        return BadRequest(f"The body must be a JSON object: {reason}.")
    return BadRequest(f"{path}: {reason}.", param=path)


def _check_messages(raw: msgspec.Raw) -> None:
    """At least one message, each an object with a role; the rest is the backend's to judge."""
    try:
        messages = msgspec.json.decode(raw, type=list[_Role])
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise _named(str(error), prefix="messages") from None
    if not messages:
        raise BadRequest("messages: at least one message is required.", param="messages")


class _Role(msgspec.Struct):
    role: str


def for_backend(body: bytes, request: ChatRequest, backend: BackendEntry, max_output: int | None) -> bytes:
    """The request as this backend gets it: its name of the model, usage in the stream, and the output bound that was held for.

    Every other field keeps its bytes. The bound goes out as `max_tokens`, which every engine knows; `max_output` None writes none."""
    fields: dict[str, Any] = _decode_fields(body)
    fields["model"] = backend.upstream_model
    fields.pop("preset", None)
    if request.stream:
        options: dict[str, Any] = (
            msgspec.json.decode(fields["stream_options"], type=dict[str, Any]) if request.stream_options is not None else {}
        )
        fields["stream_options"] = {**options, "include_usage": True}
    else:
        fields.pop("stream_options", None)
    if max_output is not None:
        fields["max_tokens"] = max_output
        fields.pop("max_completion_tokens", None)
    return msgspec.json.encode(fields)
