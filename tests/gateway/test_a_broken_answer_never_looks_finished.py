"""What a backend says that is no answer is never shown, charged or ended as one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apps.gateway.endpoint import BackendRefused
from apps.gateway.errors import BadRequest
from apps.gateway.openai.answers import AnswerReader, View
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.functions import from_tools

VIEW = View(upstream_model="up", public_model="org/model", show_usage=True)
MESSAGES = [{"role": "user", "content": "hi"}]


def reader(choices: int = 1) -> AnswerReader:
    return AnswerReader(VIEW, context_length=1_000, choices=choices)


def chunk(index: int, finish_reason: str | None) -> bytes:
    return msgspec.json.encode({"choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": finish_reason}]})


@pytest.mark.parametrize("error", [{"message": "http://10.0.0.5:8000 failed"}, "failed", {}])
@pytest.mark.parametrize("choices", [None, [], [{"index": 0, "delta": {}}]])
def test_an_error_is_an_error_whatever_stands_beside_it(error: Any, choices: Any) -> None:
    payload = msgspec.json.encode({"error": error, **({} if choices is None else {"choices": choices})})
    with pytest.raises(BackendRefused):
        reader().event(payload)
    with pytest.raises(BackendRefused):
        reader().whole(payload)


def test_a_stream_of_two_choices_has_finished_when_both_have() -> None:
    answer = reader(choices=2)
    answer.event(chunk(0, "stop"))
    assert not answer.finished
    answer.event(chunk(1, None))
    assert not answer.finished
    answer.event(chunk(1, "length"))
    assert answer.finished


@pytest.mark.parametrize("usage", [{"prompt_tokens": 10}, {"prompt_tokens": 10, "completion_tokens": None}])
def test_usage_without_its_output_is_no_usage(usage: dict[str, Any]) -> None:
    answer = reader()
    answer.whole(msgspec.json.encode({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}))
    assert answer.usage is None


@pytest.mark.parametrize("calls", [["x"], "x", [{"function": "f"}], [], None, [{"index": 1, "function": {"name": "f"}}]])
def test_calls_of_any_shape_are_no_accident(calls: Any) -> None:
    choice = {"message": {"content": "x", "tool_calls": calls}, "finish_reason": "tool_calls"}
    from_tools(choice)
    assert choice["finish_reason"] == "function_call"
    assert "function_call" not in choice["message"]


@pytest.mark.parametrize("name", ["Max_Tokens", "MODEL", "N", "N_PREDICT", "Priority", "Best_Of", "\u017ftream"])
def test_a_name_in_another_case_is_not_passed_on_to_engines_that_do_not_mind_the_case(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(json.dumps({"model": "m", "messages": MESSAGES, name: 1}).encode())
    assert refused.value.param == name


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x", "//example.com/x.png", ""])
def test_an_image_is_given_by_an_address_of_the_web_or_by_its_bytes(url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode())
    assert refused.value.param == "messages[0].content[0].image_url.url"


def test_millions_of_tiny_messages_are_refused_before_they_are_parsed() -> None:
    body = b'{"model":"m","messages":[' + b",".join([b'{"role":"user","content":""}'] * 10_001) + b"]}"
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(body)
    assert refused.value.param == "messages"
