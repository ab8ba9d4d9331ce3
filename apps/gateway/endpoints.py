"""Where the hot POSTs live, and which surface speaks at an address. Both doors open onto this table."""

from __future__ import annotations

from apps.gateway.endpoint import Endpoint
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.completions import completions
from apps.gateway.openai.surface import openai_surface
from apps.gateway.surface import Surface

ENDPOINTS: dict[str, Endpoint] = {"/v1/chat/completions": chat_completions, "/v1/completions": completions}


def surface_of(path: str) -> Surface:
    """Whose shape an answer at this address has, before anything else is known of the request."""
    return openai_surface
