"""What the Anthropic surface has besides messages: a sign that it is there, and the list of models. Both without a key."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.api.model_list import price_in_force, prices_in_force
from apps.api.schema import AnthropicErrorAnswer
from apps.api.views import ApiView, json_response
from apps.catalog.models import Price
from apps.gateway.errors import BadRequest

USUAL_LIMIT, MOST = 20, 1000


class Health(msgspec.Struct):
    status: Literal["ok"] = "ok"


class AnthropicModelInfo(msgspec.Struct):
    """A model that can be called. `created_at` in RFC 3339; lengths in tokens."""

    id: str
    display_name: str
    created_at: datetime
    max_input_tokens: int
    max_tokens: int
    type: Literal["model"] = "model"


class AnthropicModelPage(msgspec.Struct):
    data: list[AnthropicModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


def model_info(price: Price) -> AnthropicModelInfo:
    model = price.model
    return AnthropicModelInfo(
        id=model.public_id,
        display_name=model.name,
        created_at=model.created_at,
        max_input_tokens=model.context_length,
        max_tokens=min(model.max_output_length or model.context_length, model.context_length),
    )


class AnthropicHealth(ApiView):
    """Claude Code asks it before it begins."""

    @extend_schema(
        operation_id="anthropic_health", tags=["models"], summary="Is the Anthropic surface there?", auth=[], responses={200: Health}
    )
    def get(self, request: Request) -> HttpResponse:
        return json_response(msgspec.json.encode(Health()))


class AnthropicModels(ApiView):
    """A page of the catalogue, by model id."""

    @extend_schema(
        operation_id="list_models_anthropic",
        tags=["models"],
        summary="List models in Anthropic's shape",
        auth=[],
        parameters=[
            OpenApiParameter("limit", OpenApiTypes.INT, description=f"At most {MOST}; {USUAL_LIMIT} if it is missing."),
            OpenApiParameter("after_id", OpenApiTypes.STR, description="The page behind this model."),
            OpenApiParameter("before_id", OpenApiTypes.STR, description="The page before this model."),
        ],
        responses={200: AnthropicModelPage, 400: OpenApiResponse(AnthropicErrorAnswer, "A parameter is malformed, or names no model.")},
    )
    def get(self, request: Request) -> HttpResponse:
        limit = _limit(request.query_params.get("limit"))
        after, before = request.query_params.get("after_id"), request.query_params.get("before_id")
        if after and before:
            raise BadRequest("after_id: not allowed together with 'before_id'.", param="after_id")
        models = [model_info(price) for price in prices_in_force()]
        start, end = 0, len(models)
        if after:
            start = _place(models, after, "after_id") + 1
        if before:
            end = _place(models, before, "before_id")
        page = models[start:end][-limit:] if before else models[start : start + limit]
        return json_response(
            msgspec.json.encode(AnthropicModelPage(page, end - start > limit, page[0].id if page else None, page[-1].id if page else None))
        )


class AnthropicModelDetail(ApiView):
    """One model; its id may contain a slash, or `--` for it."""

    @extend_schema(
        operation_id="retrieve_model_anthropic",
        tags=["models"],
        summary="Retrieve a model in Anthropic's shape",
        auth=[],
        responses={200: AnthropicModelInfo, 404: OpenApiResponse(AnthropicErrorAnswer, "No such model.")},
    )
    def get(self, request: Request, model_id: str) -> HttpResponse:
        return json_response(msgspec.json.encode(model_info(price_in_force(*_spellings(model_id.rstrip("/"))))))


def _spellings(model_id: str) -> tuple[str, str]:
    return model_id, model_id.replace("--", "/", 1)


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise BadRequest(f"limit: must be a number from 1 to {MOST}.", param="limit")
    return int(text)


def _place(models: list[AnthropicModelInfo], model_id: str, name: str) -> int:
    for place, model in enumerate(models):
        if model.id in _spellings(model_id):
            return place
    raise BadRequest(f"{name}: there is no model {model_id!r}.", param=name)
