"""Chat completions as the Playground asks for them: the API's own, and another word in the log."""

from __future__ import annotations

from apps.gateway.endpoint import Endpoint
from apps.gateway.openai.chat import ChatCompletions
from apps.usage.models import Dialect


class PlaygroundCompletions(ChatCompletions):
    dialect = Dialect.PLAYGROUND


playground_completions: Endpoint = PlaygroundCompletions()
