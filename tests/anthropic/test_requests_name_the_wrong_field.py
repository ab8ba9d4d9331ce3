"""A request that cannot be meant, or not be met, is a 400 whose text begins with the field at fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.gateway.anthropic.counting import parse_count
from apps.gateway.anthropic.messages import messages
from apps.gateway.errors import BadRequest
from tests.anthropic.requests import USER, assistant, image, parsed, result, text, tool, use, user
from tests.gateway.entries import a_model

WRONG: dict[str, dict[str, Any]] = {
    "model": {"model": None},
    "max_tokens": {"max_tokens": 0},
    "messages": {"messages": []},
    "messages[0].role": {"messages": [{"role": "tool", "content": "x"}]},
    "messages[0].content": {"messages": [{"role": "user"}]},
    "messages[0].content[1].text": {"messages": [user("a", {"type": "text"})]},
    "messages[0].content[0].type": {"messages": [{"role": "user", "content": [{}]}]},
    "messages[0].content[0].source.media_type": {
        "messages": [user({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "x"}})]
    },
    "messages[0].content[0].source": {"messages": [user({"type": "image", "source": {"type": "file", "file_id": "f"}})]},
    "messages[0].content[0].tool_use_id": {"messages": [user({"type": "tool_result"})]},
    "messages[1].content[0].input": {"messages": [USER, assistant({"type": "tool_use", "id": "a", "name": "b", "input": [1]})]},
    "messages[1].content[0].name": {"messages": [USER, assistant({"type": "tool_use", "id": "a", "name": ""})]},
    "system[1].type": {"system": [text("a"), image()]},
    "tools[0].input_schema": {"tools": [{"name": "a"}]},
    "tools[0].name": {"tools": [tool("no spaces")]},
    "tools[1].name": {"tools": [tool(), tool()]},
    "tools[0].type": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "tools[1].type": {"tools": [tool(), {"type": "bash_20250124", "name": "bash"}]},
    "tool_choice.type": {"tools": [tool()], "tool_choice": {"type": "required"}},
    "tool_choice.name": {"tools": [tool()], "tool_choice": {"type": "tool", "name": "other"}},
    "tool_choice": {"tool_choice": {"type": "any"}},
    "temperature": {"temperature": 3},
    "top_k": {"top_k": -1},
    "stop_sequences": {"stop_sequences": "END"},
    "stream": {"stream": "yes"},
    "output_config.effort": {"output_config": {"effort": "huge"}},
    "output_config.format.schema": {"output_config": {"format": {"type": "json_schema"}}},
    "thinking.type": {"thinking": {}},
    "metadata.user_id": {"metadata": {"user_id": 5}},
    "mcp_servers": {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]},
    "compaction": {"compaction": {"type": "summarize"}},
    "thread": {"thread": {"type": "create"}},
}


@pytest.mark.parametrize("param", WRONG)
def test_the_field_is_named(param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parsed(**WRONG[param])
    assert refused.value.param == param
    assert refused.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
def test_what_is_required_is_asked_for(missing: str) -> None:
    fields = {"model": "m", "max_tokens": 5, "messages": [USER]}
    del fields[missing]
    with pytest.raises(BadRequest) as refused:
        messages.parse(json.dumps(fields).encode())
    assert (refused.value.param, refused.value.message) == (missing, f"{missing}: this field is required.")


def test_counting_asks_for_no_bound() -> None:
    assert parse_count(json.dumps({"model": "m", "messages": [USER]}).encode()).model_id == "m"
    with pytest.raises(BadRequest, match=r"^messages: "):
        parse_count(b'{"model": "m"}')


@pytest.mark.parametrize("kind", ["tool_use", "thinking", "redacted_thinking"])
def test_what_only_a_model_says_is_refused_from_a_user(kind: str) -> None:
    with pytest.raises(BadRequest, match=r"^messages\[0\]\.content\[0\]\.type: .* role 'assistant'"):
        parsed(user({"type": kind, "id": "a", "name": "b", "input": {}}))


@pytest.mark.parametrize("block", [result("t1", "x"), image()])
def test_what_only_a_user_says_is_refused_from_a_model(block: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=r"^messages\[1\]\.content\[0\]\.type: .* role 'user'"):
        parsed(USER, assistant(block))


def test_a_model_is_not_shown_what_it_cannot_read() -> None:
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}
    looks = [USER, assistant(use("t1")), user(result("t1", [image()]))]
    text_only, sees = a_model(input_modalities=("text",)), a_model(input_modalities=("text", "image"))
    for listed, place, word in (([user("a", image())], "messages[0].content[1]", "image"), ([user(pdf)], "messages[0].content[0]", "file")):
        with pytest.raises(BadRequest, match=f"does not read {word}") as refused:
            parsed(*listed).check(text_only)
        assert refused.value.param == place
    with pytest.raises(BadRequest, match="does not read image") as refused:
        parsed(*looks).check(text_only)
    assert refused.value.param == "messages[2].content[0].content[0]"
    parsed(*looks).check(sees)
    parsed(user(pdf)).check(a_model(input_modalities=()))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"x"', b"{", b'{"model": "\xff"}', b"\xff", b'{"model": "m", "max_tokens": 1, "messages": ' + b"[" * 9_000],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    for parse in (messages.parse, parse_count):
        with pytest.raises(BadRequest):
            parse(body)


def test_a_flood_of_tiny_messages_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadRequest, match="at most 10000 messages"):
        parsed(*[USER] * 10_001)
    with pytest.raises(BadRequest, match="at most 10000 messages and 20000 blocks"):
        parsed(user(*["a"] * 20_001))
