"""`POST /anthropic/v1/messages`: what it accepts, and how a backend gets it. The structure is the validation and, through the REST
door, the published schema. docs/anthropic-compatibility.md lists what happens to each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway import metering
from apps.gateway.anthropic import conversation
from apps.gateway.anthropic.events import MessageReader
from apps.gateway.anthropic.frames import PING, Opening
from apps.gateway.anthropic.presets import message_with
from apps.gateway.anthropic.surface import ThreadUnsupported, anthropic_surface
from apps.gateway.anthropic.thinking import OutputConfig, OutputFormat, Thinking, reasoning
from apps.gateway.anthropic.tools import ToolChoice, ToolDefinition
from apps.gateway.anthropic.tools import translate as translate_tools
from apps.gateway.anthropic.transcript import MessageTranscript
from apps.gateway.endpoint import PresetNamed
from apps.gateway.openai import reasoning as openai_reasoning
from apps.gateway.openai.fields import ModelId, Penalty, PresetSlug, Probability, Seed, Temperature, Tokens, missing, parse, refuse
from apps.gateway.openai.messages import Conversation as Attached
from apps.gateway.openai.messages import check_modalities
from apps.presets.merging import PresetEntry
from apps.usage.models import Dialect

MAX_STOPS = 64


class Metadata(msgspec.Struct):
    user_id: str | None = None


class Prompt(msgspec.Struct, kw_only=True):
    """What a request to create a message and one to count its tokens have in common."""

    messages: msgspec.Raw
    model: ModelId = ""  # the preset's, if one is named
    system: str | list[msgspec.Raw] | None = None
    tools: list[ToolDefinition] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    preset: PresetSlug | None = None


class MessagesRequest(Prompt, kw_only=True):
    """Names are Anthropic's (API reference, "Create a message"); ranges are as wide as open models'. Fields that are not here are
    passed over."""

    max_tokens: Tokens = 0  # the preset's, if one is named
    stream: bool | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    stop_sequences: Annotated[list[str], msgspec.Meta(max_length=MAX_STOPS)] | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    output_format: OutputFormat | None = None
    # Words that Anthropic's API lacks and open models know.
    min_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    seed: Seed | None = None


class _Unsupported(msgspec.Struct):
    """Fields whose wish cannot be passed over without the client noticing."""

    thread: msgspec.Raw = msgspec.Raw(b"null")
    compaction: msgspec.Raw = msgspec.Raw(b"null")
    mcp_servers: msgspec.Raw = msgspec.Raw(b"null")


SAMPLING = ("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed")
UNSUPPORTED = tuple(b'"%b"' % name.encode() for name in _Unsupported.__struct_fields__)
_decoder = msgspec.json.Decoder(MessagesRequest)
_decode_unsupported = msgspec.json.Decoder(_Unsupported).decode


@dataclass(slots=True)
class Translated:
    """A prompt in OpenAI's words: `messages` as JSON, and the fields that speak of tools. `described_bytes` of tools and of the
    answer's schema are in the prompt besides the messages."""

    messages: bytes
    tools: dict[str, Any]
    described_bytes: int
    conversation: conversation.Conversation

    @property
    def text_bytes(self) -> int:
        """Of the prompt, as JSON, without what is a picture."""
        return len(self.messages) - self.conversation.attachment_bytes + self.described_bytes

    def prompt_bound(self) -> int:
        return metering.prompt_upper_bound(self.text_bytes, self.conversation.attachments)

    def prompt_estimate(self) -> int:
        return metering.prompt_estimate(
            self.messages,
            extra_bytes=self.described_bytes,
            attachments=self.conversation.attachments,
            attachment_bytes=self.conversation.attachment_bytes,
        )

    def quick_estimate(self) -> int:
        """Tokens of the prompt without a look into it."""
        return self.text_bytes // metering.USUAL_BYTES_PER_TOKEN + self.conversation.attachments * metering.TOKENS_PER_ATTACHMENT

    def check(self, model: ModelEntry) -> None:
        check_modalities(Attached([], modalities=self.conversation.modalities), model)


def translate_prompt(prompt: Prompt, body: bytes) -> Translated:
    """Raises BadRequest that names the field, and PresetNamed."""
    if prompt.preset is not None:
        raise PresetNamed(prompt.preset)
    if not prompt.model:
        raise missing("model")
    _refuse_unsupported(body)
    talk = conversation.translate(prompt.system, prompt.messages)
    about_tools = translate_tools(prompt.tools, prompt.tool_choice, talk.changes)
    described: list[Any] = [about_tools.get("tools"), prompt.output_config and prompt.output_config.format]
    described_bytes = sum(len(msgspec.json.encode(value)) for value in described if value)
    return Translated(msgspec.json.encode(talk.messages), about_tools, described_bytes, talk)


def _refuse_unsupported(body: bytes) -> None:
    if not any(name in body for name in UNSUPPORTED):  # nearly always, and quicker than to decode once more
        return
    asked = _decode_unsupported(body)
    if bytes(asked.thread) != b"null":
        raise ThreadUnsupported("thread: conversations are not kept here; send all messages with every request.", param="thread")
    if bytes(asked.compaction) != b"null":
        raise refuse("compaction", "conversations are not summed up here; ask the model for a summary in a message")
    if bytes(asked.mcp_servers) not in (b"null", b"[]"):
        raise refuse("mcp_servers", "no MCP server is called from here; connect to it yourself and send its tools as 'tools'")


@dataclass(slots=True)
class ParsedMessages:
    """A parsed request, as apps/gateway/endpoint.py wants it."""

    request: MessagesRequest
    prompt: Translated
    opening: Opening

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
        return 1

    @property
    def max_output(self) -> int | None:
        return self.request.max_tokens

    def prompt_bound(self) -> int:
        return self.prompt.prompt_bound()

    def prompt_estimate(self) -> int:
        return self.prompt.prompt_estimate()

    def check(self, model: ModelEntry) -> None:
        self.prompt.check(model)

    def for_backend(self, model: ModelEntry, backend: BackendEntry, max_output: int | None) -> bytes:
        request = self.request
        fields: dict[str, Any] = {
            "model": backend.upstream_model,
            "messages": msgspec.Raw(self.prompt.messages),
            "max_tokens": request.max_tokens if max_output is None else max_output,
            **self.prompt.tools,
        }
        if request.stream:
            fields |= {"stream": True, "stream_options": {"include_usage": True}}
        for name in SAMPLING:
            if (value := getattr(request, name)) is not None:
                fields[name] = value
        if request.stop_sequences:
            fields["stop"] = request.stop_sequences
        if request.metadata is not None and request.metadata.user_id:
            fields["user"] = request.metadata.user_id
        config = request.output_config or OutputConfig()
        if (wanted := config.format or request.output_format) is not None:
            schema = {"name": "answer", "schema": wanted.schema, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        openai_reasoning.apply(fields, model.reasoning, *reasoning(request.thinking, self.prompt.conversation.effort or config.effort))
        return msgspec.json.encode(fields)

    def ping(self, model: ModelEntry) -> bytes:
        return self.opening.frame(model.public_id) + PING

    def reader(self, model: ModelEntry, backend: BackendEntry) -> MessageReader:
        thinking = self.request.thinking
        return MessageReader(
            self.opening,
            public_model=model.public_id,
            context_length=model.context_length,
            prompt_tokens=self.prompt_estimate,
            stop_sequences=self.request.stop_sequences or (),
            hide_thinking=thinking is not None and thinking.hidden,
            omit_thinking=thinking is not None and thinking.omitted,
        )


class Messages:
    dialect = Dialect.MESSAGES
    surface = anthropic_surface
    pings = True
    backend_path = "/chat/completions"

    def parse(self, body: bytes) -> ParsedMessages:
        """Raises BadRequest that names the field, and PresetNamed."""
        request = parse(_decoder, body)
        prompt = translate_prompt(request, body)
        if not request.max_tokens:
            raise missing("max_tokens")
        return ParsedMessages(request, prompt, Opening(prompt.quick_estimate()))

    def with_preset(self, body: bytes, preset: PresetEntry) -> bytes:
        return message_with(body, preset)

    def transcript(self) -> MessageTranscript:
        return MessageTranscript()


messages = Messages()
