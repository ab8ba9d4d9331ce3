"""Requests of OpenAI's dialect with what their preset adds, as JSON again: what comes of it is judged like any request. Pure."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from apps.gateway.openai.fields import decode_fields
from apps.gateway.openai.messages import MAX_MESSAGES
from apps.presets.merging import PresetEntry, instructed, merged

# What chat knows and completions do not, or know as something else.
CHAT_ALONE = frozenset({
    "messages", "max_completion_tokens", "logprobs", "top_logprobs", "service_tier", "tools", "tool_choice", "parallel_tool_calls",
    "response_format", "modalities", "reasoning", "reasoning_effort", "functions", "function_call",
})  # fmt: skip


def chat_with(body: bytes, preset: PresetEntry) -> bytes:
    """A request to chat. What is no list of messages stays as it is, for the parser to name."""
    sent = decode_fields(body)
    del sent["preset"]
    fields = merged(sent, preset.fields)
    if "messages" in sent and bytes(sent["messages"]).count(b'"role"') <= MAX_MESSAGES:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # not messages: the parser says where
            fields["messages"] = instructed(sent["messages"], preset.system_prompt)
    return msgspec.json.encode(fields)


def completion_with(body: bytes, preset: PresetEntry) -> bytes:
    """A request to complete a text: the preset's model and those of its parameters that mean something there. A text has no system
    prompt."""
    sent = decode_fields(body)
    del sent["preset"]
    known = {name: value for name, value in preset.fields.items() if name not in CHAT_ALONE}
    if "max_completion_tokens" in preset.parameters:
        known["max_tokens"] = preset.parameters["max_completion_tokens"]
    return msgspec.json.encode(merged(sent, known))
