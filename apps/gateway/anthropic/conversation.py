"""System prompt and messages, from Anthropic's form into OpenAI's. Pure.

Messages in a row that are no assistant's are one turn: the results of tools first, as messages of role `tool` right behind the calls
they answer, and all else in one message of role `user`. So are an assistant's in a row. Chat templates want a system prompt at the
start and nowhere else; a system message further down goes into the user's turn, marked, so that what came before keeps its bytes and
a backend's prefix cache its worth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from apps.gateway.anthropic import blocks
from apps.gateway.anthropic.blocks import Content, Role
from apps.gateway.anthropic.thinking import OutputConfig, signed_text
from apps.gateway.anthropic.tools import ToolChanges
from apps.gateway.openai.fields import parse_part, refuse

MAX_MESSAGES = 10_000
MAX_BLOCKS = 20_000
# A line that Claude Code puts before the system prompt for Anthropic's accounting; it is nothing for a model to read.
ACCOUNTING = "x-anthropic-billing-header:"


class InputMessage(msgspec.Struct):
    role: Role
    content: str | list[msgspec.Raw] | None = None
    clear_at: Literal["next_user_message", "never"] | None = None
    output_config: OutputConfig | None = None


_decode_messages = msgspec.json.Decoder(list[InputMessage])


@dataclass(slots=True)
class Conversation:
    """`messages` are OpenAI's. `effort` is the latest that a system message asked for."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    attachments: int = 0
    attachment_bytes: int = 0
    modalities: list[tuple[str, str]] = field(default_factory=list)
    changes: ToolChanges = field(default_factory=ToolChanges)
    effort: str | None = None

    def count(self, content: Content) -> None:
        self.attachments += content.attachments
        self.attachment_bytes += content.attachment_bytes
        self.modalities += content.modalities


def translate(system: str | list[msgspec.Raw] | None, raw: msgspec.Raw) -> Conversation:
    """Raises BadRequest that names the place."""
    text = bytes(raw)
    # Counted before they are parsed: millions of tiny ones would hold everybody else up.
    if text.count(b'"role"') > MAX_MESSAGES or text.count(b'"type"') > MAX_BLOCKS:
        raise refuse("messages", f"at most {MAX_MESSAGES} messages and {MAX_BLOCKS} blocks")
    listed = parse_part(_decode_messages, raw, "messages")
    if not any(message.role != "system" for message in listed):
        raise refuse("messages", "at least one message is required")
    return _Translation(listed).run(system)


class _Translation:
    """The state of one pass over the messages: the turns that are not complete yet."""

    def __init__(self, messages: list[InputMessage]) -> None:
        self._messages = messages
        self._done = Conversation()
        self._system: list[str] = []
        self._user: _UserTurn | None = None
        self._assistant: _AssistantTurn | None = None

    def run(self, system: str | list[msgspec.Raw] | None) -> Conversation:
        self._system = _system_texts(system)
        last_user = max((number for number, message in enumerate(self._messages) if message.role == "user"), default=-1)
        for number, message in enumerate(self._messages):
            place = f"messages[{number}]"
            if message.content is None and (message.role != "system" or message.output_config is None):
                raise refuse(f"{place}.content", "this field is required")
            if message.role == "assistant":
                self._end_user()
                self._assistant = self._assistant or _AssistantTurn()
                self._assistant.take(message.content, f"{place}.content")
            elif message.role == "user":
                self._user_turn().take(message.content, f"{place}.content", self._done.changes)
            else:
                if message.output_config is not None and message.output_config.effort is not None:
                    self._done.effort = message.output_config.effort
                if message.clear_at != "next_user_message" or number > last_user:
                    self._take_system(message.content, f"{place}.content")
        self._end_user()
        self._end_assistant()
        if self._system:
            self._done.messages.insert(0, {"role": "system", "content": blocks.joined(self._system)})
        return self._done

    def _take_system(self, content: str | list[msgspec.Raw] | None, place: str) -> None:
        texts = [content] if isinstance(content, str) else []
        for number, raw in enumerate(content if isinstance(content, list) else ()):
            inner = f"{place}[{number}]"
            if not self._done.changes.take(raw, inner):
                texts.append(parse_part(blocks.decode_text, raw, inner).text)
        if self._user is None and self._assistant is None and not self._done.messages:
            self._system += texts
        elif any(texts):
            self._user_turn().content.add_text(f"<system-reminder>\n{blocks.joined(texts)}\n</system-reminder>")

    def _user_turn(self) -> _UserTurn:
        self._end_assistant()
        self._user = self._user or _UserTurn()
        return self._user

    def _end_user(self) -> None:
        if self._user is not None:
            self._done.messages += self._user.messages()
            self._done.count(self._user.content)
            self._done.count(self._user.shown)
            self._user = None

    def _end_assistant(self) -> None:
        if self._assistant is not None:
            self._done.messages.append(self._assistant.message())
            self._done.count(self._assistant.content)
            self._assistant = None


@dataclass(slots=True)
class _UserTurn:
    """`shown` holds what results of tools show besides text: a message of role `tool` carries text alone."""

    results: list[dict[str, Any]] = field(default_factory=list)
    shown: Content = field(default_factory=Content)
    content: Content = field(default_factory=Content)

    def take(self, content: str | list[msgspec.Raw] | None, place: str, changes: ToolChanges) -> None:
        if isinstance(content, str):
            self.content.add_text(content)
        for number, raw in enumerate(content if isinstance(content, list) else ()):
            inner = f"{place}[{number}]"
            kind = parse_part(blocks.decode_kind, raw, inner).type
            if kind == "tool_result":
                self._take_result(parse_part(blocks.decode_tool_result, raw, inner), inner, changes)
            elif kind in ("tool_use", "thinking", "redacted_thinking"):
                raise refuse(f"{inner}.type", f"a block of type {kind!r} belongs to a message of role 'assistant'")
            else:
                self.content.add(raw, inner)

    def _take_result(self, result: blocks.ToolResult, place: str, changes: ToolChanges) -> None:
        content = Content()
        if isinstance(result.content, str):
            content.add_text(result.content)
        for number, raw in enumerate(result.content if isinstance(result.content, list) else ()):
            inner = f"{place}.content[{number}]"
            if parse_part(blocks.decode_kind, raw, inner).type == "tool_reference":
                name = parse_part(blocks.decode_tool_reference, raw, inner).tool_name
                changes.add(name)
                content.add_text(f"The tool {name} can be called now.")
            else:
                content.add(raw, inner)
        text = content.text
        if result.is_error:
            text = f"Error: {text}"
        if content.others:
            self.shown.add_text(f"What the tool call {result.tool_use_id} showed:")
            self.shown.parts += content.others
            self.shown.attachments += content.attachments
            self.shown.attachment_bytes += content.attachment_bytes
            self.shown.modalities += content.modalities
            text = text or "The result is shown in the next message."
        self.results.append({"role": "tool", "tool_call_id": result.tool_use_id, "content": text})

    def messages(self) -> list[dict[str, Any]]:
        said = Content([*self.shown.parts, *self.content.parts])
        if said.parts or not self.results:
            return [*self.results, {"role": "user", "content": said.as_openai()}]
        return self.results


@dataclass(slots=True)
class _AssistantTurn:
    content: Content = field(default_factory=Content)
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def take(self, content: str | list[msgspec.Raw] | None, place: str) -> None:
        if isinstance(content, str):
            self.content.add_text(content)
        for number, raw in enumerate(content if isinstance(content, list) else ()):
            inner = f"{place}[{number}]"
            kind = parse_part(blocks.decode_kind, raw, inner).type
            if kind == "thinking":
                thought = parse_part(blocks.decode_thought, raw, inner)
                self.thoughts.append(thought.thinking or signed_text(thought.signature))
            elif kind == "tool_use":
                self.calls.append(_call(parse_part(blocks.decode_tool_use, raw, inner), inner))
            elif kind in ("tool_result", "image", "document"):
                raise refuse(f"{inner}.type", f"a block of type {kind!r} belongs to a message of role 'user'")
            elif kind not in ("redacted_thinking", "fallback"):
                self.content.add(raw, inner)

    def message(self) -> dict[str, Any]:
        """Thinking goes back under the name that engines read it by; a chat template that knows no thinking leaves it out."""
        text = self.content.text
        message: dict[str, Any] = {"role": "assistant", "content": text or (None if self.calls else "")}
        if thoughts := blocks.joined(thought for thought in self.thoughts if thought):
            message["reasoning_content"] = thoughts
        if self.calls:
            message["tool_calls"] = self.calls
        return message


def _call(use: blocks.ToolUse, place: str) -> dict[str, Any]:
    arguments = bytes(use.input)
    if arguments == b"null":
        arguments = b"{}"
    if not arguments.startswith(b"{"):
        raise refuse(f"{place}.input", "expected an object")
    return {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": arguments.decode()}}


def _system_texts(system: str | list[msgspec.Raw] | None) -> list[str]:
    if isinstance(system, str):
        return [system] if system else []
    texts = []
    for number, raw in enumerate(system or ()):
        place = f"system[{number}]"
        if parse_part(blocks.decode_kind, raw, place).type != "text":
            raise refuse(f"{place}.type", "a system prompt is made of blocks of type 'text'")
        text = parse_part(blocks.decode_text, raw, place).text
        if text and not text.startswith(ACCOUNTING):
            texts.append(text)
    return texts
