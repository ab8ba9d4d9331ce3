"""The published schema is valid OpenAPI, and a field's value is good by the schema if and only if it is by the gateway's parser.

What fields say about each other (a tool_choice needs tools) is the parser's alone."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from django.core.management import call_command
from django.test import Client

from apps.gateway.anthropic.conversation import InputMessage
from apps.gateway.anthropic.counting import CountTokensRequest
from apps.gateway.anthropic.messages import MessagesRequest, messages
from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import ChatCompletionRequest, chat_completions
from apps.gateway.openai.completions import CompletionRequest, completions
from apps.gateway.openai.messages import Message


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    response = Client().get("/api/schema/?format=json")
    assert response.status_code == 200
    document: dict[str, Any] = json.loads(response.content)
    return document


def test_it_is_valid_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate")
    assert "openapi: 3.1.0" in capsys.readouterr().out


def test_each_address_is_named_once(schema: dict[str, Any]) -> None:
    inference = {path for path in schema["paths"] if path.startswith("/v1")}
    assert {"/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/models/{model_id}"} <= inference
    anthropic = {path for path in schema["paths"] if path.startswith("/anthropic")}
    models = {"/anthropic/v1/models", "/anthropic/v1/models/{model_id}"}
    assert anthropic == {"/anthropic", "/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens", *models}
    assert not [path for path in schema["paths"] if path.endswith("/")]


def test_it_says_how_to_authenticate(schema: dict[str, Any]) -> None:
    assert schema["components"]["securitySchemes"].keys() >= {"bearer", "x-api-key"}
    for path, method in (("/v1/chat/completions", "post"), ("/v1/models", "get"), ("/anthropic/v1/messages", "post")):
        assert schema["paths"][path][method]["security"] == [{"bearer": []}, {"x-api-key": []}]
    assert not any(schema["paths"]["/anthropic/v1/models"]["get"].get("security", []))


def test_its_fields_are_the_parsers(schema: dict[str, Any]) -> None:
    for structure in (ChatCompletionRequest, CompletionRequest, MessagesRequest, CountTokensRequest):
        request = schema["components"]["schemas"][structure.__name__]
        assert request["properties"].keys() == {field.encode_name for field in msgspec.structs.fields(structure)}
        assert all(request["properties"].values()), "a field without a type"


CHAT = ("ChatCompletionRequest", chat_completions, {"model": "a/b", "messages": [{"role": "user", "content": "x"}]})
MESSAGE = ("MessagesRequest", messages, {"model": "a/b", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]})
TEXT = ("CompletionRequest", completions, {"model": "a/b", "prompt": "x"})
GOOD: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 2.0, "top_p": 1, "n": 128, "seed": -5},
    {"temperature": None, "stop": None, "stream_options": None},
    {"stop": "x"},
    {"stop": ["x", "y"]},
    {"stream": True, "stream_options": {"include_usage": True, "other": 1}},
    {"logit_bias": {"50256": -100}},
    {"unknown": {"deeply": [1, 2]}},
]
BAD: list[dict[str, Any]] = [
    {"model": ""},
    {"model": "x" * 201},
    {"model": None},
    {"temperature": 2.01},
    {"temperature": "hot"},
    {"top_p": -0.1},
    {"presence_penalty": -3},
    {"n": 0},
    {"n": 129},
    {"n": 1.5},
    {"max_tokens": 0},
    {"max_tokens": 10_000_001},
    {"stop": 5},
    {"stop": [5]},
    {"stream": 1},
    {"stream_options": []},
    {"stream_options": {"include_usage": 1}},
    {"logit_bias": {"1": 101}},
    {"logit_bias": {"x": 1}},
    {"user": 5},
]
GOOD_CHAT: list[dict[str, Any]] = [
    {"tools": None, "response_format": None},
    {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"},
    {"response_format": {"type": "json_object"}},
    {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}]},
    {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]}]},
    {"service_tier": "auto"},
]
BAD_CHAT: list[dict[str, Any]] = [
    {"messages": []},
    {"messages": "x"},
    {"messages": [{"content": "x"}]},
    {"messages": [{"role": "nobody", "content": "x"}]},
    {"messages": [{"role": "user", "content": 5}]},
    {"tools": {}},
    {"tools": [{"type": "function"}]},
    {"top_logprobs": 21, "logprobs": True},
    {"logprobs": "yes"},
    {"service_tier": "fast"},
    {"response_format": 5},
]
GOOD_TEXT: list[dict[str, Any]] = [{"prompt": p} for p in ("", "x", ["x", ""], [1, 2], [[1, 2], [3]])]
BAD_TEXT: list[dict[str, Any]] = [{"prompt": p} for p in (None, 5, {}, [], [[]], ["x", 1], [1, "x"], [-1], [1.5], [[1], 2])]

GOOD_MESSAGE: list[dict[str, Any]] = [
    {},
    {"stream": True, "temperature": 1, "top_p": 0.5, "top_k": 3, "stop_sequences": ["a"], "metadata": {"user_id": "u"}},
    {"system": "x"},
    {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
    {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "x"}]}]},
    {"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "f"}},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "max", "something": 1}},
    {"output_config": {"format": {"type": "json_schema", "schema": {}}}, "context_management": {"edits": []}},
]
BAD_MESSAGE: list[dict[str, Any]] = [
    {"model": ""},
    {"max_tokens": 0},
    {"max_tokens": None},
    {"messages": []},
    {"messages": "x"},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": 5}]},
    {"system": 5},
    {"tools": {}},
    {"tool_choice": {"type": "required"}},
    {"tool_choice": "auto"},
    {"thinking": {"budget_tokens": 5}},
    {"thinking": {"type": "enabled", "budget_tokens": 0}},
    {"output_config": {"effort": "huge"}},
    {"output_config": {"format": {"type": "text"}}},
    {"top_k": -1},
    {"stop_sequences": "x"},
    {"stop_sequences": ["x"] * 65},
    {"temperature": 2.5},
]


def cases() -> Iterator[tuple[tuple[str, Any, dict[str, Any]], dict[str, Any], bool]]:
    for endpoint, good, bad in (
        (CHAT, [*GOOD, *GOOD_CHAT], [*BAD, *BAD_CHAT]),
        (TEXT, [*GOOD, *GOOD_TEXT], [*BAD, *BAD_TEXT]),
        (MESSAGE, GOOD_MESSAGE, BAD_MESSAGE),
    ):
        yield from ((endpoint, fields, True) for fields in good)
        yield from ((endpoint, fields, False) for fields in bad)


@pytest.mark.parametrize(
    ("endpoint", "fields", "good"), list(cases()), ids=lambda value: value[0] if isinstance(value, tuple) else str(value)[:60]
)
def test_it_accepts_what_the_parser_accepts(
    endpoint: tuple[str, Any, dict[str, Any]], fields: dict[str, Any], good: bool, schema: dict[str, Any]
) -> None:
    name, parser, least = endpoint
    request = {**least, **fields}
    validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": schema["components"]})
    assert validator.is_valid(request) is good
    if good:
        parser.parse(json.dumps(request).encode())
    else:
        with pytest.raises(BadRequest):
            parser.parse(json.dumps(request).encode())


def test_no_two_structures_share_a_name() -> None:
    """The second of a name would be described as the first is."""
    named: dict[str, type] = {}
    waiting: list[Any] = [ChatCompletionRequest, Message, CompletionRequest, MessagesRequest, CountTokensRequest, InputMessage]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            assert named.setdefault(kind.__name__, kind) is kind, f"two structures are called {kind.__name__}"
            waiting += [field.type for field in msgspec.structs.fields(kind)]
        else:
            waiting += typing.get_args(kind)
    assert len(named) > 20


def test_errors_and_models_are_described_by_their_structures(schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/ErrorAnswer", "components": schema["components"]})
    validator.validate(Client().get("/v1/models").json())
    assert schema["components"]["schemas"]["ModelInfo"]["properties"]["object"]["const"] == "model"
    for path, structure in (("/anthropic/v1/models", "AnthropicModelPage"), ("/anthropic/nothing", "AnthropicErrorAnswer")):
        place = {"$ref": f"#/components/schemas/{structure}", "components": schema["components"]}
        jsonschema.Draft202012Validator(place).validate(Client().get(path).json())
