"""Where the hot POSTs live, and which surface speaks at an address. Both doors open onto this table."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from apps.gateway.anthropic.messages import messages
from apps.gateway.anthropic.surface import anthropic_surface
from apps.gateway.client import Call, Client
from apps.gateway.counting import answer_count
from apps.gateway.endpoint import Endpoint
from apps.gateway.inference import answer_call
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.completions import completions
from apps.gateway.openai.surface import openai_surface
from apps.gateway.runtime import Gateway
from apps.gateway.surface import Surface


@dataclass(frozen=True, slots=True)
class HotPost:
    """What happens at an address: `answer` writes the whole answer to the client, errors too, and never raises for them."""

    surface: Surface
    answer: Callable[[Gateway, Call, Client], Coroutine[Any, Any, None]]


def _inference(endpoint: Endpoint) -> HotPost:
    return HotPost(endpoint.surface, partial(answer_call, endpoint))


HOT_POSTS = {
    "/v1/chat/completions": _inference(chat_completions),
    "/v1/completions": _inference(completions),
    "/anthropic/v1/messages": _inference(messages),
    "/anthropic/v1/messages/count_tokens": HotPost(anthropic_surface, answer_count),
}


def surface_of(path: str) -> Surface:
    """Whose shape an answer at this address has, before anything else is known of the request."""
    return anthropic_surface if path == "/anthropic" or path.startswith("/anthropic/") else openai_surface
