"""`GET /v1/models`: the models that can be called now, in OpenAI's list shape with our metadata and prices."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.api.authentication import ApiKeyAuthentication
from apps.api.schema import ErrorAnswer
from apps.api.views import ApiView, json_response
from apps.catalog.models import Price, public_id_validator
from apps.catalog.queries import prices_in_force
from apps.core.money import usd_per_token_from_pico
from apps.gateway.errors import ModelNotFound

OUR_ORGANISATION = "akashml"


class Pricing(msgspec.Struct):
    """Decimal strings in USD: per token, `request` per request."""

    input: str
    output: str
    input_cache_read: str
    request: str


class ModelInfo(msgspec.Struct):
    """A model that can be called. Lengths in tokens, `created` in Unix seconds."""

    id: str
    created: int
    owned_by: str
    name: str
    description: str
    context_length: int
    max_output_length: int
    quantization: str | None
    input_modalities: list[str]
    output_modalities: list[str]
    supported_sampling_parameters: list[str]
    supported_features: list[str]
    pricing: Pricing
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct):
    data: list[ModelInfo]
    object: Literal["list"] = "list"


def price_in_force(*public_ids: str) -> Price:
    """The price of the first of these models that can be called. Raises ModelNotFound, which names the first."""
    for public_id in public_ids:
        # Checked here, since Postgres takes no null character even in a comparison.
        if re.match(public_id_validator.regex, public_id):
            price = prices_in_force().filter(model__public_id=public_id).first()
            if price is not None:
                return price
    raise ModelNotFound(f"The model {public_ids[0]!r} does not exist. GET /v1/models lists those that do.", param="model")


def model_info(price: Price) -> ModelInfo:
    model = price.model
    organisation, slash, _ = model.public_id.partition("/")
    cached = price.input_pico if price.cached_input_pico is None else price.cached_input_pico
    return ModelInfo(
        id=model.public_id,
        created=int(model.created_at.timestamp()),
        owned_by=organisation if slash else OUR_ORGANISATION,
        name=model.name,
        description=model.description,
        context_length=model.context_length,
        max_output_length=model.max_output_length or model.context_length,
        quantization=model.quantization or None,
        input_modalities=model.input_modalities,
        output_modalities=model.output_modalities,
        supported_sampling_parameters=model.supported_sampling_parameters,
        supported_features=model.supported_features,
        pricing=Pricing(
            input=usd_per_token_from_pico(price.input_pico),
            output=usd_per_token_from_pico(price.output_pico),
            input_cache_read=usd_per_token_from_pico(cached),
            request=usd_per_token_from_pico(price.request_pico),
        ),
    )


class Models(ApiView):
    """The whole catalogue."""

    authentication_classes = (ApiKeyAuthentication,)

    @extend_schema(
        operation_id="list_models",
        tags=["models"],
        summary="List models",
        responses={
            200: ModelList,
            401: OpenApiResponse(ErrorAnswer, "No key, or none in force."),
            429: OpenApiResponse(ErrorAnswer, "Too many wrong keys from this address."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        return json_response(msgspec.json.encode(ModelList([model_info(price) for price in prices_in_force()])))


class ModelDetail(ApiView):
    """One model; its id may contain a slash."""

    authentication_classes = (ApiKeyAuthentication,)

    @extend_schema(
        operation_id="retrieve_model",
        tags=["models"],
        summary="Retrieve a model",
        responses={
            200: ModelInfo,
            401: OpenApiResponse(ErrorAnswer, "No key, or none in force."),
            404: OpenApiResponse(ErrorAnswer, "No such model."),
            429: OpenApiResponse(ErrorAnswer, "Too many wrong keys from this address."),
        },
    )
    def get(self, request: Request, model_id: str) -> HttpResponse:
        return json_response(msgspec.json.encode(model_info(price_in_force(model_id.rstrip("/")))))
