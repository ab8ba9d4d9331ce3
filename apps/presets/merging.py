"""A request with what its preset adds. Pure: fields are JSON as it was sent, nothing is decoded but who speaks.

A field of the request wins over the preset's, `null` too: that is how a client turns one off for once. Fields that mean one thing
together are taken from one side only, so that no half of the preset's contradicts a half of the request's.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

TOGETHER = (
    ("max_tokens", "max_completion_tokens"),
    ("reasoning", "reasoning_effort"),
    ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    ("logprobs", "top_logprobs"),
)
_GROUP = {name: group for group in TOGETHER for name in group}
INSTRUCTING = ("system", "developer")


class Speaker(msgspec.Struct):
    role: str


decode_speakers = msgspec.json.Decoder(list[Speaker]).decode


@dataclass(frozen=True, slots=True)
class PresetEntry:
    """What a preset says: its model's id, and fields of an OpenAI chat request by name."""

    slug: str
    model: str
    parameters: dict[str, msgspec.Raw]
    system_prompt: str

    @property
    def fields(self) -> dict[str, msgspec.Raw]:
        """The parameters and the model, by name."""
        return {**self.parameters, "model": msgspec.Raw(msgspec.json.encode(self.model))}


def merged(request: dict[str, msgspec.Raw], preset: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The request's fields, and those of the preset that neither they nor a field of the same group say already."""
    taken = {name for field in request for name in _GROUP.get(field, (field,))}
    return {**{name: value for name, value in preset.items() if name not in taken}, **request}


def instructed(messages: msgspec.Raw, system_prompt: str) -> msgspec.Raw:
    """The messages behind the preset's system prompt, unless they bring one of their own. Raises msgspec.MsgspecError for what is no
    list of messages."""
    speakers = decode_speakers(messages)
    if not system_prompt or not speakers or any(speaker.role in INSTRUCTING for speaker in speakers):
        return messages
    first = msgspec.json.encode({"role": "system", "content": system_prompt})
    return msgspec.Raw(b"[" + first + b"," + bytes(messages).lstrip()[1:])
