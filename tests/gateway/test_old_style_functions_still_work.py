"""The deprecated `functions` go to backends as tools and come back as function calls."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import chat_completions
from tests.gateway.entries import a_backend, a_model

FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def model() -> ModelEntry:
    return a_model()


@pytest.fixture
def backend() -> BackendEntry:
    return a_backend(upstream_model="upstream")


def sent(model: ModelEntry, backend: BackendEntry, **fields: Any) -> dict[str, Any]:
    body = msgspec.json.encode({"model": model.public_id, "messages": [{"role": "user", "content": "hi"}], **fields})
    request: dict[str, Any] = json.loads(chat_completions.parse(body).for_backend(model, backend, None))
    return request


def test_functions_become_tools(model: ModelEntry, backend: BackendEntry) -> None:
    request = sent(model, backend, functions=[FUNCTION], function_call={"name": "weather"})
    assert request["tools"] == [{"type": "function", "function": FUNCTION}]
    assert request["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert request["parallel_tool_calls"] is False
    assert "functions" not in request
    assert "function_call" not in request


def test_a_conversation_of_function_calls_becomes_one_of_tool_calls(model: ModelEntry, backend: BackendEntry) -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": ""}},
        {"role": "function", "name": "weather", "content": "sunny"},
    ]
    request = sent(model, backend, messages=messages, functions=[FUNCTION])
    call, answer = request["messages"][1:]
    assert call["tool_calls"] == [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    assert "function_call" not in call
    assert (answer["role"], answer["tool_call_id"]) == ("tool", "call_1")


def test_an_answer_comes_back_as_a_function_call(model: ModelEntry, backend: BackendEntry) -> None:
    body = msgspec.json.encode({"model": model.public_id, "messages": [{"role": "user", "content": "hi"}], "functions": [FUNCTION]})
    reader = chat_completions.parse(body).reader(model, backend)
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    whole = {
        "model": "upstream",
        "choices": [{"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}],
    }
    shown = json.loads(reader.whole(msgspec.json.encode(whole)))
    assert shown["choices"][0]["message"] == {"content": None, "function_call": {"name": "weather", "arguments": "{}"}}
    assert shown["choices"][0]["finish_reason"] == "function_call"
    assert shown["model"] == model.public_id


def test_a_stream_comes_back_as_pieces_of_a_function_call(model: ModelEntry, backend: BackendEntry) -> None:
    body = msgspec.json.encode(
        {"model": model.public_id, "messages": [{"role": "user", "content": "hi"}], "functions": [FUNCTION], "stream": True}
    )
    reader = chat_completions.parse(body).reader(model, backend)
    pieces = [{"index": 0, "function": {"name": "weather", "arguments": ""}}, {"index": 0, "function": {"arguments": '{"a":1}'}}]
    shown = []
    for piece in pieces:
        frame = reader.event(msgspec.json.encode({"model": "upstream", "choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}))
        shown.append(json.loads(frame.removeprefix(b"data: "))["choices"][0]["delta"]["function_call"])
    assert shown == [{"name": "weather", "arguments": ""}, {"arguments": '{"a":1}'}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [FUNCTION], "function_call": {"name": "other"}}, "function_call.name"),
        ({"functions": [FUNCTION], "tools": [{"type": "function", "function": FUNCTION}]}, "functions"),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].name"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(fields: dict[str, Any], param: str, model: ModelEntry, backend: BackendEntry) -> None:
    with pytest.raises(BadRequest) as refused:
        sent(model, backend, **fields)
    assert refused.value.param == param
