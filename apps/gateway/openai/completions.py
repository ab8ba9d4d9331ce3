"""`POST /v1/completions`: a prompt is a string, a list of strings, token ids, or a list of lists of token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway import metering
from apps.gateway.endpoint import PresetNamed
from apps.gateway.openai.answers import AnswerReader, View
from apps.gateway.openai.fields import (
    MAX_CHOICES,
    Choices,
    LogitBias,
    ModelId,
    Penalty,
    PresetSlug,
    Probability,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    Tokens,
    check_stream_options,
    decode_fields,
    for_backend,
    missing,
    parse,
    parse_part,
    refuse,
    shows_usage,
    unlisted,
)
from apps.gateway.openai.presets import completion_with
from apps.gateway.openai.surface import openai_surface
from apps.gateway.openai.transcript import ChunkTranscript
from apps.presets.merging import PresetEntry
from apps.usage.models import Dialect

MAX_PROMPTS = 128
Ids = list[Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]]


class CompletionRequest(msgspec.Struct):
    """Names and ranges are OpenAI's (API reference, "Create completion")."""

    prompt: msgspec.Raw
    model: ModelId = ""  # the preset's, if one is named
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    echo: bool | None = None
    suffix: str | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    logit_bias: LogitBias | None = None
    user: str | None = None
    preset: PresetSlug | None = None


_decoder = msgspec.json.Decoder(CompletionRequest)
_decode_text = msgspec.json.Decoder(str)
_decode_list = msgspec.json.Decoder(list[msgspec.Raw])
_decode_texts = msgspec.json.Decoder(list[str])
_decode_ids = msgspec.json.Decoder(Ids)
_decode_id_lists = msgspec.json.Decoder(list[Ids])


@dataclass(slots=True)
class TextRequest:
    """A parsed request, as apps/gateway/endpoint.py wants it. `token_ids` counts ids the prompt is given in; `texts` its strings."""

    fields: dict[str, msgspec.Raw]
    """As they were sent, by name."""
    request: CompletionRequest
    texts: list[str]
    token_ids: int
    prompts: int
    described_bytes: int
    """Of a suffix, and of whatever an engine may make of fields we do not know."""

    @property
    def model_id(self) -> str:
        return self.request.model

    @property
    def streamed(self) -> bool:
        return bool(self.request.stream)

    @property
    def choices(self) -> int:
        """`best_of` generates that many and shows `n` of them; what was generated is what is paid."""
        return self.prompts * max(self.request.n or 1, self.request.best_of or 1)

    @property
    def max_output(self) -> int | None:
        return self.request.max_tokens

    def prompt_bound(self) -> int:
        text_bytes = len(bytes(self.request.prompt)) if self.texts else 0
        return self.token_ids + metering.prompt_upper_bound(text_bytes + self.described_bytes)

    def prompt_estimate(self) -> int:
        return self.token_ids + sum(map(metering.text_estimate, self.texts)) + self.described_bytes // metering.USUAL_BYTES_PER_TOKEN

    def check(self, model: ModelEntry) -> None:
        """Every model that chats also completes; what it makes of a suffix is its own business."""

    def for_backend(self, model: ModelEntry, backend: BackendEntry, max_output: int | None) -> bytes:
        return msgspec.json.encode(for_backend(self.fields, backend.upstream_model, self.request.stream, max_output))

    def ping(self, model: ModelEntry) -> bytes:
        return b""

    def reader(self, model: ModelEntry, backend: BackendEntry) -> AnswerReader:
        return AnswerReader(
            View(
                upstream_model=backend.upstream_model,
                public_model=model.public_id,
                show_usage=shows_usage(self.request.stream, self.request.stream_options),
            ),
            context_length=model.context_length,
            prompts=self.prompts,
            choices=self.choices,
        )


class Completions:
    dialect = Dialect.COMPLETIONS
    surface = openai_surface
    pings = False
    backend_path = "/completions"

    def parse(self, body: bytes) -> TextRequest:
        """Raises BadRequest that names the field, and PresetNamed."""
        request = parse(_decoder, body)
        if request.preset is not None:
            raise PresetNamed(request.preset)
        if not request.model:
            raise missing("model")
        check_stream_options(request.stream, request.stream_options)
        if request.best_of is not None and request.best_of < (request.n or 1):
            raise refuse("best_of", "must not be less than 'n'")
        if request.best_of is not None and request.best_of > (request.n or 1) and request.stream:
            raise refuse("best_of", "cannot be streamed when it is more than 'n'")
        texts, token_ids, prompts = _prompt(request.prompt)
        fields = decode_fields(body)
        described = [*unlisted(fields, CompletionRequest), *(name for name in ("suffix",) if name in fields)]
        parsed = TextRequest(fields, request, texts, token_ids, prompts, sum(len(bytes(fields[name])) for name in described))
        if parsed.choices > MAX_CHOICES:
            raise refuse("n", f"prompts × n (or best_of) is {parsed.choices}; at most {MAX_CHOICES} answers at a time")
        return parsed

    def with_preset(self, body: bytes, preset: PresetEntry) -> bytes:
        return completion_with(body, preset)

    def transcript(self) -> ChunkTranscript:
        return ChunkTranscript()


def _prompt(raw: msgspec.Raw) -> tuple[list[str], int, int]:
    """(its strings, the number of its token ids, how many prompts). Raises BadRequest."""
    first = bytes(raw)[:1]
    if first == b'"':
        return [parse_part(_decode_text, raw, "prompt")], 0, 1
    if first != b"[":
        raise refuse("prompt", "expected a string, a list of strings, a list of token ids, or a list of those")
    parts = parse_part(_decode_list, raw, "prompt")
    if not parts:
        raise refuse("prompt", "at least one prompt is required")
    kind = bytes(parts[0])[:1]
    if kind == b'"':
        texts = parse_part(_decode_texts, raw, "prompt")
        result = texts, 0, len(texts)
    elif kind == b"[":
        lists = parse_part(_decode_id_lists, raw, "prompt")
        if not all(lists):
            raise refuse(f"prompt[{lists.index([])}]", "at least one token id is required")
        result = [], sum(map(len, lists)), len(lists)
    else:
        result = [], len(parse_part(_decode_ids, raw, "prompt")), 1
    if result[2] > MAX_PROMPTS:
        raise refuse("prompt", f"at most {MAX_PROMPTS} prompts at a time")
    return result


completions = Completions()
