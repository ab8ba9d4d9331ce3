"""Whether what a preset is to say can be said: judged as a request to chat would be, by the same parser. Pure."""

from __future__ import annotations

import msgspec

from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.fields import LEFT_OUT, parse_part, refuse

# Fields that are each request's own: what is asked, how the answer is to come, and on whose behalf.
REQUESTS_OWN = ("model", "messages", "prompt", "stream", "stream_options", "user", "metadata")
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_all = msgspec.json.Decoder()
PROBE = msgspec.Raw(b'[{"role":"user","content":"?"}]')


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
        chat_completions.parse(msgspec.json.encode({"model": "any", "messages": PROBE, **fields}))
    except BadRequest as error:
        raise BadRequest(f"parameters.{error.message}", param=f"parameters.{error.param}", code=error.code) from None
    return msgspec.json.encode(fields).decode()
