"""Every address of the API, and all that a process with SERVE=gateway knows: it loads no page but those of errors. Each address is spelled with
and without its trailing slash. /healthz and /readyz are answered by the ASGI root.
"""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, path, re_path

from apps.api.anthropic import AnthropicHealth, AnthropicModelDetail, AnthropicModels
from apps.api.inference import ChatCompletions, Completions, CountTokens, Messages
from apps.api.metrics import metrics
from apps.api.model_list import ModelDetail, Models
from apps.api.views import UnknownAddress

handler400 = "akashml.errors.bad_request"
handler403 = "apps.dashboard.errors.forbidden"
handler404 = "apps.dashboard.errors.not_found"
handler429 = "apps.dashboard.errors.too_many_requests"  # allauth's
handler500 = "akashml.errors.server_error"


def both(address: str, view: Any, name: str) -> list[URLPattern]:
    """The address without its trailing slash (which `reverse` gives) and with it."""
    return [path(address, view, name=name), path(f"{address}/", view)]


urlpatterns: list[URLPattern | URLResolver] = [
    *both("v1/chat/completions", ChatCompletions.as_view(), "chat-completions"),
    *both("v1/completions", Completions.as_view(), "completions"),
    *both("v1/models", Models.as_view(), "models"),
    path("v1/models/<path:model_id>", ModelDetail.as_view(), name="model"),
    *both("anthropic", AnthropicHealth.as_view(), "anthropic"),
    *both("anthropic/v1/messages", Messages.as_view(), "messages"),
    *both("anthropic/v1/messages/count_tokens", CountTokens.as_view(), "count-tokens"),
    *both("anthropic/v1/models", AnthropicModels.as_view(), "anthropic-models"),
    path("anthropic/v1/models/<path:model_id>", AnthropicModelDetail.as_view(), name="anthropic-model"),
    re_path(r"^(?:v1|anthropic)(?:/[\s\S]*)?\Z", UnknownAddress.as_view()),
    *both("metrics", metrics, "metrics"),
]
