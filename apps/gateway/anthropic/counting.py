"""What `POST /anthropic/v1/messages/count_tokens` accepts: a prompt as for a message, and nothing that shapes the answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from apps.gateway.anthropic.messages import Prompt, Translated, translate_prompt
from apps.gateway.metering import TOKENS_PER_ATTACHMENT
from apps.gateway.openai.fields import parse
from apps.gateway.tokenizers import Question


class CountTokensRequest(Prompt, kw_only=True):
    """Names are Anthropic's (API reference, "Count tokens in a message")."""


_decoder = msgspec.json.Decoder(CountTokensRequest)


@dataclass(frozen=True, slots=True)
class Count:
    """A prompt whose tokens are to be counted."""

    model_id: str
    prompt: Translated

    @property
    def pictures(self) -> int:
        """How many tokens its pictures are, roughly: what engines count for them they do not tell beforehand."""
        return self.prompt.conversation.attachments * TOKENS_PER_ATTACHMENT

    def question(self) -> Question:
        """The prompt without its pictures."""
        messages = self.prompt.messages
        if self.prompt.conversation.attachments:
            listed = self.prompt.conversation.messages
            messages = msgspec.json.encode([{**message, "content": _texts(message["content"])} for message in listed])
        tools = self.prompt.tools.get("tools")
        return Question(messages, msgspec.json.encode(tools) if tools else None)


def _texts(content: object) -> object:
    return [part for part in content if part["type"] == "text"] if isinstance(content, list) else content


def parse_count(body: bytes) -> Count:
    """Raises BadRequest that names the field, and PresetNamed."""
    request = parse(_decoder, body)
    return Count(request.model, translate_prompt(request, body))
