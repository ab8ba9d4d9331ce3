"""Whether what a preset is to say can be said: judged as a request to chat would be, by the same parser. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.fields import LEFT_OUT, ModelId, Probability, parse, parse_part, refuse
from apps.presets.actions import NewPreset
from apps.presets.models import Preset

# Fields that are each request's own: what is asked, how the answer is to come, and on whose behalf.
REQUESTS_OWN = ("model", "messages", "prompt", "stream", "stream_options", "user", "metadata")
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_all = msgspec.json.Decoder()
PROBE = msgspec.Raw(b'[{"role":"user","content":"?"}]')


class EngineFields(msgspec.Struct):
    """What requests pass on unread, since engines differ: in a preset a slip would spoil every request, so it is found here."""

    top_k: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Probability | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0, le=10)] | None = None


_engine_fields = msgspec.json.Decoder(EngineFields)


def checked_parameters(raw: bytes) -> str:
    """The parameters of a preset as they are to be kept: a JSON object of a chat request's fields, those that are null left out.

    Raises BadRequest that names the field as `parameters.temperature`."""
    fields = parse_part(_decode_fields, msgspec.Raw(raw), "parameters")
    parse_part(_decode_all, msgspec.Raw(raw), "parameters")  # the depths too, which the parser below leaves raw
    for name in fields:
        if name in REQUESTS_OWN:
            raise refuse(f"parameters.{name}", "this field is each request's own and cannot be in a preset's parameters")
        if name in LEFT_OUT:
            raise refuse(f"parameters.{name}", "this field means nothing in a preset")
    fields = {name: value for name, value in fields.items() if bytes(value) != b"null"}
    try:
        parse(_engine_fields, msgspec.json.encode(fields))
        chat_completions.parse(msgspec.json.encode({"model": "any", "messages": PROBE, **fields}))
    except BadRequest as error:
        raise BadRequest(f"parameters.{error.message}", param=f"parameters.{error.param}", code=error.code) from None
    return msgspec.json.encode(fields).decode()


Parameters = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object", "additionalProperties": True})]


class PresetDocument(msgspec.Struct):
    """A preset as it is exported and imported: what `POST /api/v1/presets` takes."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    model: ModelId
    slug: str = ""
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""
    parameters: Parameters | msgspec.UnsetType = msgspec.UNSET
    system_prompt: str = ""


_document = msgspec.json.Decoder(PresetDocument)


def document_of(row: Preset) -> bytes:
    """A preset as a file."""
    written = PresetDocument(row.name, row.model, row.slug, row.description, msgspec.Raw(row.parameters.encode()), row.system_prompt)
    return msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n"


def read_document(body: bytes) -> NewPreset:
    """A preset out of such a file. Raises BadRequest that names the field."""
    read = parse(_document, body)
    parameters = "{}" if read.parameters is msgspec.UNSET else checked_parameters(bytes(read.parameters))
    return NewPreset(read.name, read.model, read.slug, read.description, parameters, read.system_prompt)
