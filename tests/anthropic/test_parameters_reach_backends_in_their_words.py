"""Tools, the choice among them, thinking, formats and sampling become OpenAI's fields; what has no counterpart is left out."""

from __future__ import annotations

from typing import Any

import pytest

from apps.gateway.anthropic.thinking import sign, signed_text
from tests.anthropic.requests import SCHEMA, USER, assistant, result, said, sent, tool, use, user

FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "description": "The weather."}}


def test_the_least_request() -> None:
    assert sent() == {"model": "up", "messages": [USER], "max_tokens": 100}


def test_a_stream_asks_for_usage() -> None:
    fields = sent(stream=True)
    assert (fields["stream"], fields["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in sent(stream=False)


def test_sampling_and_stops() -> None:
    fields = sent(temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["END"], metadata={"user_id": "u1"})
    assert fields | {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop": ["END"], "user": "u1"} == fields
    assert "stop" not in sent(stop_sequences=[])
    assert "user" not in sent(metadata={})


def test_fields_without_a_counterpart_are_left_out() -> None:
    left_out: dict[str, Any] = {
        "service_tier": "auto",
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "cache_control": {"type": "ephemeral"},
        "container": None,
        "inference_geo": "eu",
        "mcp_servers": [],
        "thread": None,
        "preset": None,
        "something_new": [1, {"a": None}],
        "priority": 5,
        "n_predict": 9,
    }
    assert sent(**left_out) == sent()


def test_tools_become_functions() -> None:
    fields = sent(tools=[tool(cache_control={"type": "ephemeral"}, input_examples=[{}]), tool("other", type="custom", strict=True)])
    assert fields["tools"][0] == FUNCTION
    assert fields["tools"][1]["function"] | {"name": "other", "strict": True} == fields["tools"][1]["function"]
    assert "tool_choice" not in fields


@pytest.mark.parametrize(
    ("choice", "fields"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "weather"}, {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
    ],
)
def test_the_choice_among_tools(choice: dict[str, Any], fields: dict[str, Any]) -> None:
    assert sent(tools=[tool()], tool_choice=choice) == {**sent(), "tools": [FUNCTION], **fields}


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools_leave_no_choice(tools: Any) -> None:
    assert sent(tools=tools, tool_choice={"type": "auto"}) == sent()


def names(*listed: dict[str, Any], **fields: Any) -> list[str]:
    return [entry["function"]["name"] for entry in sent(*listed, **fields).get("tools", [])]


LATER = tool("later", defer_loading=True)


def test_a_tool_that_waits_is_offered_when_it_was_found() -> None:
    assert names(tools=[tool(), LATER]) == ["weather"]
    found = user(result("t1", [{"type": "tool_reference", "tool_name": "later"}]))
    asked = [USER, assistant(use("t1", "search")), found]
    assert names(*asked, tools=[tool(), LATER]) == ["weather", "later"]
    assert said(*asked, tools=[tool(), LATER])[-1]["content"] == "The tool later can be called now."
    assert names(tools=[tool(), LATER], tool_choice={"type": "tool", "name": "later"}) == ["weather", "later"]


def test_without_tool_search_all_tools_are_offered_at_once() -> None:
    search = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    assert names(tools=[search, tool(), LATER]) == ["weather", "later"]


def test_system_messages_bring_tools_in_and_out() -> None:
    def change(kind: str, **reference: Any) -> dict[str, Any]:
        return {"role": "system", "content": [{"type": kind, "tool": reference}]}

    add = change("tool_addition", type="tool_reference", name="later")
    remove = change("tool_removal", type="tool_reference", name="weather")
    define = change("tool_addition", type="tool_definition", definition=tool("new"))
    assert names(USER, add, tools=[tool(), LATER]) == ["weather", "later"]
    assert names(USER, add, remove, tools=[tool(), LATER]) == ["later"]
    assert names(USER, remove, define, tools=[tool()]) == ["new"]
    assert said(USER, add, remove, define, tools=[tool(), LATER]) == [USER], "they say nothing to the model"


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_format_is_a_schema(where: str) -> None:
    wanted = {"type": "json_schema", "schema": SCHEMA}
    fields = sent(**{where: {"format": wanted} if where == "output_config" else wanted})
    assert fields["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


SETTINGS = {"effort": "reasoning_effort", "enabled": "chat_template_kwargs.enable_thinking", "max_tokens": "thinking_budget"}


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({}, {}),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, {}),
        ({"thinking": {"type": "something_new"}}, {}),
        ({"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "none"}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            {"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget": 2048},
        ),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "low"},
        ),
        ({"output_config": {"effort": "max"}}, {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "xhigh"}),
    ],
)
def test_thinking_is_asked_for_as_the_model_says(asked: dict[str, Any], fields: dict[str, Any]) -> None:
    assert sent(reasoning=SETTINGS, **asked) == {**sent(), **fields}
    assert sent(**asked) == sent(), "a model without settings is not asked"


def test_a_system_message_may_change_the_effort() -> None:
    later = {"role": "system", "output_config": {"effort": "high"}}
    fields = sent(USER, later, reasoning=SETTINGS, output_config={"effort": "low"})
    assert fields["reasoning_effort"] == "high"
    assert fields["messages"] == [USER]


def test_omitted_thinking_comes_back_by_its_signature() -> None:
    block = {"type": "thinking", "thinking": "", "signature": sign("Hm, ü.")}
    assert said(USER, assistant(block, "Hi"))[1]["reasoning_content"] == "Hm, ü."


@pytest.mark.parametrize("signature", ["", "EqQBCgIYAhIM", "not base64!", sign(), "YWttbA==", "YWttbDr/"])
def test_other_signatures_carry_nothing(signature: str) -> None:
    assert signed_text(signature) == ""
    block = {"type": "thinking", "thinking": "", "signature": signature}
    assert "reasoning_content" not in said(USER, assistant(block, "Hi"))[1]
