"""What OpenAI's two generation endpoints share: types of their parameters, and errors that name the field."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from apps.gateway.errors import BadRequest

MAX_CHOICES = 128
MAX_STOPS = 16

# Fields that are for us alone, and engines' own words for the output bound, which would undo the one that was held for.
OURS = ("preset",)
BEYOND_THE_BOUND = ("n_predict", "num_predict", "max_new_tokens", "use_beam_search")
# Words between an operator's own router and its engines: where a request runs, and before whom.
ROUTING = ("priority", "kv_transfer_params", "bootstrap_host", "bootstrap_port", "bootstrap_room", "data_parallel_rank")
LEFT_OUT = frozenset(OURS + BEYOND_THE_BOUND + ROUTING)

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Choices = Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)]
Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Stop = str | Annotated[list[str], msgspec.Meta(max_length=MAX_STOPS)]
TokenId = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,19}$")]
LogitBias = dict[TokenId, Annotated[float, msgspec.Meta(ge=-100, le=100)]]
ServiceTier = Literal["auto", "default"]
ModelId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
PresetSlug = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


# The decoder's bound of nesting is what the stack has left. A body is parsed with less stack than any later step decodes it with, so
# that what passes here passes there too. (With so few brackets it cannot be nested deeply enough to matter.)
SPARE_FRAMES = 50
SHALLOW_BRACKETS = 200


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


Parsed = TypeVar("Parsed")
decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_KEY = re.compile(r" - at `key` in `\$\.?(?P<path>[^`]*)`$")
_RANGE = re.compile(r"^Expected `[^`]+`(?P<length> of length)? (?P<sign>>=|<=|>|<) (?P<bound>\S+)$")
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_TYPE = re.compile(r"^Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`$")
_TYPES = {"int": "an integer", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list", "object": "an object"}
_REQUIRED = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")


def parse(decoder: msgspec.json.Decoder[Parsed], body: bytes) -> Parsed:
    """The request's structure. Raises BadRequest that names the field."""
    try:
        if not body.isascii():
            body.decode()  # the decoder passes over what stays raw
        shallow = body.count(b"[") + body.count(b"{") < SHALLOW_BRACKETS
        return decoder.decode(body) if shallow else _decode_deeply(decoder, body, SPARE_FRAMES)
    except msgspec.ValidationError as error:
        raise bad_field(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None


def _decode_deeply(decoder: msgspec.json.Decoder[Parsed], body: bytes, frames: int) -> Parsed:
    """Decodes with so many frames less of the stack."""
    return _decode_deeply(decoder, body, frames - 1) if frames else decoder.decode(body)


def parse_part(decoder: msgspec.json.Decoder[Parsed], raw: msgspec.Raw, name: str) -> Parsed:
    """A field that the request kept raw. Raises BadRequest whose path starts with `name`."""
    try:
        return decoder.decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_field(str(error), name) from None


def bad_field(text: str, prefix: str = "") -> BadRequest:
    """msgspec's message in our words, the field first. `prefix` is where its path starts."""
    place = _KEY.search(text) or _PLACE.search(text)
    reason = text[: place.start()] if place else text
    path = place["path"] if place else ""
    path = prefix + path if path.startswith("[") or not path or not prefix else f"{prefix}.{path}"
    if lacking := _REQUIRED.match(reason):
        return missing(f"{path}.{lacking['field']}" if path else lacking["field"])
    if unknown := _UNKNOWN.match(reason):  # of structures that forbid them
        field = f"{path}.{unknown['field']}" if path else unknown["field"]
        return BadRequest(f"{field}: there is no such field.", param=field)
    reason = _in_words(reason)
    if not path:
        return BadRequest(f"The body must be a JSON object: {reason}.")
    return BadRequest(f"{path}: {reason}.", param=path)


def _in_words(reason: str) -> str:
    """`Expected `int | null` >= 1` → `must be at least 1`; `Expected `int | null`, got `str`` → `expected an integer, got a string`."""
    if found := _RANGE.match(reason):
        length = "of a length of " if found["length"] else ""
        return f"must be {length}{_BOUNDS[found['sign']]} {found['bound']}"
    if found := _TYPE.match(reason):
        expected = [_TYPES.get(kind.strip(), kind.strip()) for kind in found["expected"].split("|") if kind.strip() != "null"]
        return f"expected {' or '.join(expected)}, got {_TYPES.get(found['got'], found['got'])}"
    return reason.replace("`", "'")


def missing(field: str) -> BadRequest:
    return BadRequest(f"{field}: this field is required.", param=field, code="missing_required_parameter")


def refuse(field: str, reason: str) -> BadRequest:
    return BadRequest(f"{field}: {reason}.", param=field)


def check_stream_options(stream: bool | None, options: StreamOptions | None) -> None:
    if options is not None and not stream:
        raise refuse("stream_options", "only allowed when 'stream' is true")


def unlisted(fields: dict[str, Any], structure: type[msgspec.Struct]) -> list[str]:
    """The names of fields that are not the structure's: they are passed on. Raises BadRequest for one that differs from a name that
    means something only by its case: some engines do not mind the case, and would take it for the other."""
    known, folded = _names(structure)
    names = [name for name in fields if name not in known]
    for name in names:
        if name.casefold() in folded and name != name.casefold():
            raise refuse(name, f"write this field's name as {name.casefold()!r}")
    return names


@cache
def _names(structure: type[msgspec.Struct]) -> tuple[frozenset[str], frozenset[str]]:
    """The structure's fields, and every name that means something, without its case."""
    known = frozenset(structure.__struct_fields__)
    return known, frozenset(name.casefold() for name in (*known, *LEFT_OUT, "best_of"))


def for_backend(sent: dict[str, msgspec.Raw], upstream_model: str, stream: bool | None, max_output: int | None) -> dict[str, Any]:
    """The request's top-level fields as every backend gets them, from those that were `sent`; what is not set here keeps its bytes.

    `max_output` is the bound that was held for; it goes out as `max_tokens`, which every engine knows. None leaves the client's."""
    fields: dict[str, Any] = {name: value for name, value in sent.items() if name not in LEFT_OUT}
    fields["model"] = upstream_model
    if max_output is not None:
        fields["max_tokens"] = max_output
        fields.pop("max_completion_tokens", None)
    if stream:  # usage is always asked of the backend; whether the client sees it is another matter
        options = msgspec.json.decode(fields["stream_options"]) if "stream_options" in fields else None
        fields["stream_options"] = {**(options or {}), "include_usage": True}
    else:
        fields.pop("stream_options", None)
    return fields


def shows_usage(stream: bool | None, options: StreamOptions | None) -> bool:
    """A whole answer always carries its usage, a stream when it was asked for."""
    return not stream or bool(options and options.include_usage)
