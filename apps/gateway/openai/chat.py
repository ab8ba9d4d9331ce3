"""`POST /v1/chat/completions`: what it accepts, and how a backend gets it. The structure is the validation and, through the REST door,
the published schema. docs/openai-compatibility.md lists what happens to each parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway import metering
from apps.gateway.endpoint import PresetNamed
from apps.gateway.openai import functions, messages, reasoning
from apps.gateway.openai.answers import AnswerReader, View
from apps.gateway.openai.fields import (
    Choices,
    LogitBias,
    ModelId,
    Penalty,
    PresetSlug,
    Probability,
    Seed,
    ServiceTier,
    Stop,
    StreamOptions,
    Temperature,
    Tokens,
    check_stream_options,
    decode_fields,
    for_backend,
    missing,
    parse,
    refuse,
    shows_usage,
    unlisted,
)
from apps.gateway.openai.presets import chat_with
from apps.gateway.openai.surface import openai_surface
from apps.gateway.openai.transcript import ChunkTranscript
from apps.presets.merging import PresetEntry
from apps.usage.models import Dialect

FunctionName = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.:-]+$")]


class Function(msgspec.Struct):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    function: Function
    type: Literal["function"]


class NamedFunction(msgspec.Struct):
    name: str


class NamedTool(msgspec.Struct):
    function: NamedFunction
    type: Literal["function"]


class JsonSchema(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    schema: dict[str, msgspec.Raw] | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    type: str
    json_schema: JsonSchema | None = None


class ChatCompletionRequest(msgspec.Struct):
    """Names and ranges are OpenAI's (API reference, "Create chat completion"); `reasoning` is our own."""

    messages: msgspec.Raw
    model: ModelId = ""  # the preset's, if one is named
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Choices | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    logit_bias: LogitBias | None = None
    user: str | None = None
    service_tier: ServiceTier | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    reasoning_effort: reasoning.Effort | None = None
    reasoning: reasoning.Reasoning | None = None
    functions: list[Function] | None = None
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    preset: PresetSlug | None = None


# Fields besides the messages that engines write into the prompt.
IN_THE_PROMPT = ("tools", "functions", "response_format")
_decoder = msgspec.json.Decoder(ChatCompletionRequest)


@dataclass(slots=True)
class ChatRequest:
    """A parsed request, as apps/gateway/endpoint.py wants it."""

    fields: dict[str, msgspec.Raw]
    """As they were sent, by name."""
    request: ChatCompletionRequest
    conversation: messages.Conversation
    described_bytes: int
    """Of what is in the prompt besides the messages: tools, schemas, and whatever an engine may make of fields we do not know."""

    @property
    def legacy(self) -> bool:
        """It speaks of functions where tools are meant."""
        return bool(self.request.functions or self.request.function_call) or any(
            message.function_call is not None or message.role == "function" for message in self.conversation.messages
        )

    @property
    def model_id(self) -> str:
        return self.request.model

    @property
    def streamed(self) -> bool:
        return bool(self.request.stream)

    @property
    def prompts(self) -> int:
        return 1

    @property
    def choices(self) -> int:
        return self.request.n or 1

    @property
    def max_output(self) -> int | None:
        return self.request.max_completion_tokens or self.request.max_tokens

    def prompt_bound(self) -> int:
        text_bytes = len(bytes(self.request.messages)) - self.conversation.attachment_bytes + self.described_bytes
        return metering.prompt_upper_bound(text_bytes, self.conversation.attachments)

    def prompt_estimate(self) -> int:
        return metering.prompt_estimate(
            self.request.messages,
            extra_bytes=self.described_bytes,
            attachments=self.conversation.attachments,
            attachment_bytes=self.conversation.attachment_bytes,
        )

    def check(self, model: ModelEntry) -> None:
        messages.check_modalities(self.conversation, model)
        if "audio" in (self.request.modalities or ()) and "audio" not in model.output_modalities:
            raise refuse("modalities", f"the model {model.public_id!r} does not answer with audio")

    def for_backend(self, model: ModelEntry, backend: BackendEntry, max_output: int | None) -> bytes:
        fields = for_backend(self.fields, backend.upstream_model, self.request.stream, max_output)
        fields.pop("best_of", None)  # not a parameter of chat; an engine that knows it all the same would generate what is not held for
        if self.request.reasoning is not None or self.request.reasoning_effort is not None:
            reasoning.apply(fields, model.reasoning, self.request.reasoning, self.request.reasoning_effort)
        if not self.request.tools and not self.request.functions:
            fields.pop("tools", None)  # an empty list, and a choice among no tools, are refused by most engines
            fields.pop("tool_choice", None)
            fields.pop("parallel_tool_calls", None)
        if self.legacy:
            fields |= {name: msgspec.json.decode(fields[name]) for name in ("functions", "function_call") if name in fields}
            fields["messages"] = messages.decoded(self.request.messages)
            functions.to_tools(fields)
        if messages.needs_repair(self.request.messages, self.conversation.messages):
            listed = fields["messages"] if self.legacy else messages.decoded(self.request.messages)
            messages.repair(listed)
            fields["messages"] = listed
        return msgspec.json.encode(fields)

    def ping(self, model: ModelEntry) -> bytes:
        return b""

    def reader(self, model: ModelEntry, backend: BackendEntry) -> AnswerReader:
        return AnswerReader(
            View(
                upstream_model=backend.upstream_model,
                public_model=model.public_id,
                show_usage=shows_usage(self.request.stream, self.request.stream_options),
                hide_reasoning=bool(self.request.reasoning and self.request.reasoning.exclude),
                functions_for_tools=bool(self.request.functions),
            ),
            context_length=model.context_length,
            choices=self.choices,
        )


class ChatCompletions:
    dialect = Dialect.CHAT
    surface = openai_surface
    pings = False
    backend_path = "/chat/completions"

    def parse(self, body: bytes) -> ChatRequest:
        """Raises BadRequest that names the field, and PresetNamed."""
        request = parse(_decoder, body)
        if request.preset is not None:
            raise PresetNamed(request.preset)
        if not request.model:
            raise missing("model")
        fields = decode_fields(body)
        described = [*unlisted(fields, ChatCompletionRequest), *(name for name in IN_THE_PROMPT if name in fields)]
        conversation = messages.check_messages(request.messages)
        _check(request)
        return ChatRequest(fields, request, conversation, sum(len(bytes(fields[name])) for name in described))

    def with_preset(self, body: bytes, preset: PresetEntry) -> bytes:
        return chat_with(body, preset)

    def transcript(self) -> ChunkTranscript:
        return ChunkTranscript()


def _check(request: ChatCompletionRequest) -> None:
    """What one field says about another."""
    check_stream_options(request.stream, request.stream_options)
    if request.top_logprobs is not None and not request.logprobs:
        raise refuse("top_logprobs", "only allowed when 'logprobs' is true")
    if (
        request.response_format is not None
        and request.response_format.type == "json_schema"
        and request.response_format.json_schema is None
    ):
        raise refuse("response_format.json_schema", "this field is required with type 'json_schema'")
    if request.functions and request.tools:
        raise refuse("functions", "use 'tools' or the deprecated 'functions', not both")
    names = [tool.function.name for tool in request.tools or ()]
    if request.tool_choice == "required" and not names:
        raise refuse("tool_choice", "'required' needs at least one tool")
    if isinstance(request.tool_choice, NamedTool) and request.tool_choice.function.name not in names:
        raise refuse("tool_choice.function.name", f"{request.tool_choice.function.name!r} is not the name of one of the tools")
    listed = [function.name for function in request.functions or ()]
    if isinstance(request.function_call, NamedFunction) and request.function_call.name not in listed:
        raise refuse("function_call.name", f"{request.function_call.name!r} is not the name of one of the functions")


chat_completions = ChatCompletions()
