"""Requests of Anthropic's dialect with what their preset adds. A preset is kept in OpenAI's words; here it says the same in Anthropic's,
and what comes of it is judged like any request. Pure.

What Anthropic's dialect has no word for (`n`, `logprobs`, `logit_bias`, `response_format` without a schema, engines' own) is left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apps.gateway.openai.fields import decode_fields
from apps.presets.merging import PresetEntry, Speaker, merged

# Words that both dialects have; those that Anthropic's API lacks are ours (MessagesRequest).
SAME = ("model", "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed")
CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_decode_messages = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_speaker = msgspec.json.Decoder(Speaker).decode


def message_with(body: bytes, preset: PresetEntry) -> bytes:
    """A request to create a message, or to count its tokens."""
    sent = decode_fields(body)
    del sent["preset"]
    said = {name: msgspec.json.decode(value) for name, value in preset.parameters.items()}
    added: dict[str, Any] = {name: value for name, value in preset.fields.items() if name in SAME}
    added |= _bounds(said) | _tools(said)
    # Thinking and the answer's form share a field: each is the request's where it says anything of it.
    config: dict[str, Any] = {}
    if not sent.keys() & {"thinking", "output_config"}:
        thinking, config["effort"] = _thinking(said)
        added["thinking"] = thinking
    if not sent.keys() & {"output_config", "output_format"}:
        config["format"] = _format(said)
    added["output_config"] = {name: value for name, value in config.items() if value is not None}
    if preset.system_prompt and "system" not in sent and not _begins_with_instructions(sent.get("messages")):
        added["system"] = preset.system_prompt
    return msgspec.json.encode(merged(sent, {name: _raw(value) for name, value in added.items() if value not in (None, {})}))


def _raw(value: Any) -> msgspec.Raw:
    return value if isinstance(value, msgspec.Raw) else msgspec.Raw(msgspec.json.encode(value))


def _begins_with_instructions(messages: msgspec.Raw | None) -> bool:
    """Whether the first message is the system's; what is no message is the parser's to name."""
    if messages is None or b'"system"' not in bytes(messages):
        return False
    try:
        listed = _decode_messages(messages)
        return bool(listed) and _decode_speaker(listed[0]).role == "system"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _bounds(said: dict[str, Any]) -> dict[str, Any]:
    stop = said.get("stop")
    return {
        "max_tokens": said.get("max_completion_tokens", said.get("max_tokens")),
        "stop_sequences": [stop] if isinstance(stop, str) else stop,
    }


def _tools(said: dict[str, Any]) -> dict[str, Any]:
    if not said.get("tools"):
        return {}
    asked = said.get("tool_choice")
    choice: dict[str, Any] = (
        {"type": "tool", "name": asked["function"]["name"]} if isinstance(asked, dict) else {"type": CHOICES[asked or "auto"]}
    )
    if said.get("parallel_tool_calls") is False:
        choice["disable_parallel_tool_use"] = True
    return {"tools": [_tool(tool["function"]) for tool in said["tools"]], "tool_choice": choice}


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    described = {name: function[name] for name in ("name", "description", "strict") if function.get(name) is not None}
    return described | {"input_schema": function.get("parameters") or {"type": "object", "properties": {}}}


def _format(said: dict[str, Any]) -> dict[str, Any] | None:
    schema = ((said.get("response_format") or {}).get("json_schema") or {}).get("schema")
    return None if schema is None else {"type": "json_schema", "schema": schema}


def _thinking(said: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """`thinking`, and the effort of `output_config`."""
    reasoning = said.get("reasoning") or {}
    effort = reasoning.get("effort") or said.get("reasoning_effort")
    if reasoning.get("enabled") is False or effort == "none":
        return {"type": "disabled"}, None
    thinking: dict[str, Any] = {}
    if reasoning.get("enabled") or reasoning.get("max_tokens"):
        thinking = {"type": "enabled", "budget_tokens": reasoning.get("max_tokens")}
    if reasoning.get("exclude"):
        thinking = {"type": "adaptive", **thinking, "display": "omitted"}
    return thinking or None, "low" if effort == "minimal" else effort
