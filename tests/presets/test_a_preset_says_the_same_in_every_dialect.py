"""Promise: a preset adds to a request of any dialect what it says there, and whatever the request says itself wins."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.anthropic.messages import SAMPLING, messages
from apps.gateway.anthropic.presets import message_with
from apps.gateway.endpoint import PresetNamed
from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import ChatCompletionRequest, chat_completions
from apps.gateway.openai.completions import CompletionRequest, completions
from apps.gateway.openai.presets import CHAT_ALONE, chat_with, completion_with
from apps.presets.merging import PresetEntry
from tests.gateway.entries import a_backend, a_model

USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"zeta": {}, "alpha": {}}}
TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}}
EVERYTHING = {
    "max_completion_tokens": 50, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "frequency_penalty": 1, "presence_penalty": -1,
    "repetition_penalty": 1.1, "seed": 7, "stop": "END", "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
    "reasoning": {"max_tokens": 100},
}  # fmt: skip
REASONING = {"effort": "reasoning_effort", "enabled": "think", "max_tokens": "budget"}


def entry(system_prompt: str = "Be brief.", **parameters: Any) -> PresetEntry:
    return PresetEntry(
        "mine", "org/preset", {name: msgspec.Raw(json.dumps(value).encode()) for name, value in parameters.items()}, system_prompt
    )


def chat(preset: PresetEntry, **fields: Any) -> dict[str, Any]:
    """What the backend gets of a chat request with this preset."""
    body = json.dumps({"preset": "mine", "messages": [USER], **fields}).encode()
    request = chat_completions.parse(chat_with(body, preset))
    result: dict[str, Any] = json.loads(request.for_backend(a_model(reasoning=REASONING), a_backend(upstream_model="up"), None))
    return result | {"model": request.model_id}


def message(preset: PresetEntry, **fields: Any) -> dict[str, Any]:
    """The same in Anthropic's dialect."""
    body = json.dumps({"preset": "mine", "messages": [USER], **fields}).encode()
    request = messages.parse(message_with(body, preset))
    result: dict[str, Any] = json.loads(request.for_backend(a_model(reasoning=REASONING), a_backend(upstream_model="up"), None))
    return result | {"model": request.model_id}


def test_both_dialects_ask_the_backend_for_the_same() -> None:
    by_chat, by_message = chat(entry(**EVERYTHING)), message(entry(**EVERYTHING))
    assert by_chat.pop("max_completion_tokens") == by_message.pop("max_tokens") == 50
    assert (by_chat.pop("stop"), by_message.pop("stop")) == ("END", ["END"])
    assert by_chat.pop("budget") == by_message.pop("budget") == 100
    assert by_message.pop("think") is True
    assert by_chat == by_message
    assert by_chat["messages"] == [{"role": "system", "content": "Be brief."}, USER]
    assert by_chat["model"] == "org/preset"
    assert list(by_message["tools"][0]["function"]["parameters"]["properties"]) == ["zeta", "alpha"]


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"reasoning_effort": "none"}, {"think": False, "reasoning_effort": "none"}),
        ({"reasoning_effort": "high"}, {"think": True, "reasoning_effort": "high"}),
        ({"reasoning": {"effort": "low", "max_tokens": 9}}, {"think": True, "reasoning_effort": "low", "budget": 9}),
        ({"reasoning": {"enabled": False}}, {"think": False}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look"}}},
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tool_choice": "none"}),
        ({"stop": ["a", "b"], "max_tokens": 5}, {"stop": ["a", "b"], "max_tokens": 5}),
    ],
)
def test_each_word_has_its_counterpart(said: dict[str, Any], fields: dict[str, Any]) -> None:
    for result in (chat(entry(**said)), message(entry(**{"max_tokens": 9} | said))):
        assert result | fields == result


def test_what_the_request_says_wins() -> None:
    ours = entry(**EVERYTHING)
    by_chat = chat(
        ours,
        model="org/mine",
        max_tokens=3,
        seed=None,
        messages=[{"role": "developer", "content": "Mine."}, USER],
        tools=[],
        reasoning_effort="low",
    )
    assert (by_chat["model"], by_chat["max_tokens"], by_chat["seed"], by_chat["reasoning_effort"]) == ("org/mine", 3, None, "low")
    assert not by_chat.keys() & {"max_completion_tokens", "tools", "tool_choice", "budget"}
    assert by_chat["messages"][0] == {"role": "developer", "content": "Mine."}
    other = {"name": "other", "input_schema": {"type": "object"}}
    by_message = message(
        ours, model="org/mine", max_tokens=3, system="Mine.", tools=[other], thinking={"type": "disabled"}, stop_sequences=["x"], seed=1
    )
    assert (by_message["model"], by_message["max_tokens"], by_message["seed"], by_message["think"]) == ("org/mine", 3, 1, False)
    assert by_message["messages"][0] == {"role": "system", "content": "Mine."}
    assert ([tool["function"]["name"] for tool in by_message["tools"]], by_message["stop"]) == (["other"], ["x"])
    assert by_message["response_format"]["json_schema"]["schema"] == SCHEMA  # thinking is another thing than the answer's form
    assert "response_format" not in message(ours, output_config={"effort": "low"})
    led = [{"role": "system", "content": "Mine."}, USER]
    assert message(ours, messages=led)["messages"] == led


def test_a_text_is_completed_with_what_means_something_there() -> None:
    body = json.dumps({"preset": "mine", "prompt": "Once", "logprobs": 2}).encode()
    request = completions.parse(completion_with(body, entry(**EVERYTHING, logprobs=True, user="u")))
    sent = json.loads(request.for_backend(a_model(), a_backend(upstream_model="up"), None))
    taken = {name: EVERYTHING[name] for name in (*SAMPLING, "stop")}
    assert sent == {"model": "up", "prompt": "Once", "max_tokens": 50, "user": "u", "logprobs": 2, **taken}
    chat_alone = set(ChatCompletionRequest.__struct_fields__) - set(CompletionRequest.__struct_fields__)
    assert chat_alone | {"logprobs"} == CHAT_ALONE


def test_a_request_that_names_a_preset_is_not_read_without_it() -> None:
    for endpoint, fields in ((chat_completions, {"messages": [USER]}), (completions, {"prompt": "x"}), (messages, {"messages": [USER]})):
        with pytest.raises(PresetNamed) as named:
            endpoint.parse(json.dumps({"preset": "mine", **fields}).encode())
        assert named.value.slug == "mine"
        for wrong in (5, "", "x" * 65, []):
            with pytest.raises(BadRequest) as refused:
                endpoint.parse(json.dumps({"preset": wrong, **fields}).encode())
            assert refused.value.param == "preset"
        with pytest.raises(BadRequest) as refused:
            endpoint.parse(json.dumps({"preset": None, **fields}).encode())
        assert (refused.value.param, refused.value.code) == ("model", "missing_required_parameter")


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda value: st.lists(value) | st.dictionaries(st.text() | st.just("role"), value))
)
def test_whatever_comes_as_messages_is_a_request_or_a_400(listed: Any) -> None:
    body = json.dumps({"preset": "mine", "messages": listed}).encode()
    for endpoint, add in ((chat_completions, chat_with), (messages, message_with)):
        try:
            endpoint.parse(add(body, entry(max_tokens=5)))
        except BadRequest as refused:
            error = refused
        else:
            continue
        assert error.param is None or error.param.startswith("messages")
