"""The OpenAPI schema of the inference surface, made from the msgspec structures that parse it and answer it."""

from __future__ import annotations

from typing import Any

import msgspec
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiResponse

from apps.gateway.chat_request import ChatRequest

COMPONENT = "#/components/schemas/{name}"
KEY_SCHEMES = ["bearer", "x-api-key"]


class ErrorDetail(msgspec.Struct):
    """`param` names the field at fault."""

    message: str
    type: str
    code: str
    param: str | None


class ErrorAnswer(msgspec.Struct):
    """The text stands at the top once more, for clients that read only that."""

    error: ErrorDetail
    message: str


class StructExtension(OpenApiSerializerExtension):
    """Lets a msgspec.Struct stand where a serializer may stand in `extend_schema`."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        # A structure that is also a part of another one is registered twice under its name, once as a class: the same all the same.
        set_override(self.target, "suppress_collision_warning", True)
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        _, components = msgspec.json.schema_components([self.target], ref_template=COMPONENT)
        for schema in components.values():
            _constants(schema)
        own: dict[str, Any] = components.pop(self.target.__name__)
        for name, schema in components.items():
            component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=schema)
            auto_schema.registry.register_on_missing(component)
        if self.target is ChatRequest:
            _describe_raw_fields(own)
        return own


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Either header will do."""

    target_class = "apps.api.authentication.ApiKeyAuthentication"
    name = KEY_SCHEMES

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "akml-…"},
            {"type": "apiKey", "in": "header", "name": "x-api-key"},
        ]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in KEY_SCHEMES]


def one_spelling(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Every address answers with and without a trailing slash; the schema names it once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


def _constants(schema: dict[str, Any]) -> None:
    """A choice of one is a constant, and not an enumeration worth a component of its own."""
    for field in schema["properties"].values():
        if len(field.get("enum", ())) == 1:
            [field["const"]] = field.pop("enum")


def _describe_raw_fields(schema: dict[str, Any]) -> None:
    """What stays raw bytes in the request has no type of its own: its shape is checked as said here, or left to the backend."""
    schema["properties"] |= {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "properties": {"role": {"type": "string"}}, "required": ["role"]},
        },
        "tools": {"type": ["array", "null"], "items": {"type": "object"}, "default": None},
        "response_format": {"type": ["object", "null"], "default": None},
    }
    schema["additionalProperties"] = True  # unknown fields go to the backend as they are


_ERRORS = {
    400: "A field is missing, malformed or out of range: `error.param` names it.",
    401: "No API key, or none in force.",
    402: "The credit does not cover the request.",
    403: "The account is suspended.",
    404: "No such model.",
    413: "The request is too large.",
    415: "The body is not JSON.",
    429: "A limit of the key; `Retry-After` says when to try again.",
    500: "Something broke on our side.",
    502: "The model's backend failed.",
    503: "The platform is busy or restarting.",
    504: "No backend answered.",
    529: "No healthy backend.",
}

_CHAT_ANSWER = "A chat completion in OpenAI's shape; with `stream`, its chunks as server-sent events, ended by `data: [DONE]`."

CHAT_COMPLETION: dict[str, Any] = {
    "operation_id": "create_chat_completion",
    "tags": ["inference"],
    "summary": "Create a chat completion",
    "description": "OpenAI's chat completions. Fields that are not listed are passed on to the model's backend.",
    "auth": [{name: []} for name in KEY_SCHEMES],
    "request": {"application/json": ChatRequest},
    "responses": {
        (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, _CHAT_ANSWER),
        (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, _CHAT_ANSWER),
        **{status: OpenApiResponse(ErrorAnswer, text) for status, text in _ERRORS.items()},
    },
}
