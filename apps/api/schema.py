"""The OpenAPI schema of the inference surface, made from the msgspec structures that parse it and answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from django.conf import settings
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiResponse

from apps.gateway.anthropic.conversation import InputMessage
from apps.gateway.anthropic.counting import CountTokensRequest
from apps.gateway.anthropic.messages import MessagesRequest
from apps.gateway.openai.chat import ChatCompletionRequest
from apps.gateway.openai.completions import CompletionRequest, Ids
from apps.gateway.openai.messages import Message

COMPONENT = "#/components/schemas/{name}"
KEY_SCHEMES = ["bearer", "x-api-key"]
MANAGER_SCHEMES = ["management-bearer", "management-x-api-key", "session"]
API_KEY_DEFINITIONS: list[dict[str, Any]] = [
    {"type": "http", "scheme": "bearer", "bearerFormat": "akml-…"},
    {"type": "apiKey", "in": "header", "name": "x-api-key"},
]
AtLeastOne = msgspec.Meta(min_length=1)
# Fields that a request keeps as raw bytes, and what the parser takes their values for.
RAW_FIELDS: dict[type[msgspec.Struct], dict[str, tuple[Any, ...]]] = {
    ChatCompletionRequest: {"messages": (Annotated[list[Message], AtLeastOne],)},
    MessagesRequest: {"messages": (Annotated[list[InputMessage], AtLeastOne],)},
    CountTokensRequest: {"messages": (Annotated[list[InputMessage], AtLeastOne],)},
    CompletionRequest: {
        "prompt": (
            str,
            Annotated[list[str], AtLeastOne],
            Annotated[Ids, AtLeastOne],
            Annotated[list[Annotated[Ids, AtLeastOne]], AtLeastOne],
        )
    },
}
# Fields that a preset may give in the request's place.
UNLESS_PRESET = {"model", "max_tokens"}


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


class AnthropicErrorDetail(msgspec.Struct):
    type: str
    message: str


class AnthropicErrorAnswer(msgspec.Struct):
    """`request_id` is also in the header `request-id`."""

    error: AnthropicErrorDetail
    request_id: str
    type: Literal["error"] = "error"


class TokenCount(msgspec.Struct):
    """Of messages, system prompt and tools. The header `X-Token-Count-Source` says who counted: `tokenizer` or `estimate`."""

    input_tokens: int


class StructExtension(OpenApiSerializerExtension):
    """Lets a msgspec.Struct stand where a serializer may stand in `extend_schema`."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        # A structure that is also a part of another one is registered twice under its name, once as a class: the same all the same.
        set_override(self.target, "suppress_collision_warning", True)
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        raw = RAW_FIELDS.get(self.target, {})
        alternatives = [kind for kinds in raw.values() for kind in kinds]
        schemas, components = msgspec.json.schema_components([*alternatives, self.target], ref_template=COMPONENT)
        for schema in components.values():
            _tidy_choices(schema)
        own: dict[str, Any] = components.pop(self.target.__name__)
        remaining = iter(schemas)
        for name in UNLESS_PRESET & own.get("properties", {}).keys():
            if own["properties"][name].get("default") in ("", 0):
                del own["properties"][name]["default"]
                own["properties"][name]["description"] = "Required, unless `preset` names one that has it."
        for name, kinds in raw.items():
            own["properties"][name] = {"anyOf": [next(remaining) for _ in kinds]}
        for name, schema in components.items():
            component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=schema)
            auto_schema.registry.register_on_missing(component)
        return own


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Either header will do."""

    target_class = "apps.api.authentication.ApiKeyAuthentication"
    name = KEY_SCHEMES

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return API_KEY_DEFINITIONS

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in KEY_SCHEMES]


class ManagerScheme(OpenApiAuthenticationExtension):
    """The session of a page, or a management key in either header."""

    target_class = "apps.api.authentication.ManagerAuthentication"
    name = MANAGER_SCHEMES

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        session = {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
        return [{**scheme, "description": "A management key."} for scheme in API_KEY_DEFINITIONS] + [session]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in MANAGER_SCHEMES]


def one_spelling(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Every address answers with and without a trailing slash; the schema names it once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


def _tidy_choices(schema: dict[str, Any]) -> None:
    """A choice of one is a constant; of several texts, a string (drf-spectacular wants to be told)."""
    for field in schema["properties"].values():
        if len(field.get("enum", ())) == 1:
            [field["const"]] = field.pop("enum")
        elif "enum" in field:
            field["type"] = "string"


_ERRORS = {
    400: "A field is missing, malformed or out of range: `error.param` names it.",
    401: "No API key, or none in force.",
    402: "The credit does not cover the request.",
    403: "The account is suspended.",
    404: "No such model, or no such preset.",
    408: "The request's body took too long.",
    413: "The request is too large.",
    415: "The body is not JSON.",
    429: "A limit of the key; `Retry-After` says when to try again.",
    500: "Something broke on our side.",
    502: "The model's backend failed.",
    503: "The platform is busy or restarting.",
    504: "No backend answered.",
    529: "No healthy backend.",
}


@dataclass(frozen=True)
class Dialect:
    """How a surface is described."""

    name: str
    error: type[msgspec.Struct]
    stream: str
    unlisted: str


OPENAI = Dialect(
    "OpenAI",
    ErrorAnswer,
    "its chunks as server-sent events, ended by `data: [DONE]`",
    "Fields that are not listed are passed on to the model's backend.",
)
ANTHROPIC = Dialect(
    "Anthropic",
    AnthropicErrorAnswer,
    "its events as server-sent events, ended by `message_stop`",
    "Fields that are not listed are passed over. In a model's id `--` may stand for `/`.",
)


def inference_operation(identifier: str, request: type[msgspec.Struct], what: str, dialect: Dialect) -> dict[str, Any]:
    """Arguments of `extend_schema` for an inference endpoint that creates `what`."""
    answer = f"A {what} in {dialect.name}'s shape; with `stream`, {dialect.stream}."
    return {
        "operation_id": identifier,
        "tags": ["inference"],
        "summary": f"Create a {what}",
        "description": f"As {dialect.name}'s. {dialect.unlisted}",
        "auth": [{name: []} for name in KEY_SCHEMES],
        "request": {"application/json": request},
        "responses": {
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, answer),
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, answer),
            **{status: OpenApiResponse(dialect.error, text) for status, text in _ERRORS.items()},
        },
    }


def count_operation(identifier: str, request: type[msgspec.Struct]) -> dict[str, Any]:
    """Arguments of `extend_schema` for the counting of a prompt's tokens."""
    return {
        "operation_id": identifier,
        "tags": ["inference"],
        "summary": "Count the tokens of a prompt",
        "description": f"As Anthropic's. {ANTHROPIC.unlisted} Costs nothing and counts against no limit of the key.",
        "auth": [{name: []} for name in KEY_SCHEMES],
        "request": {"application/json": request},
        "responses": {
            200: OpenApiResponse(TokenCount, "How many there are."),
            **{
                status: OpenApiResponse(AnthropicErrorAnswer, _ERRORS[status])
                for status in (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
            },
        },
    }
