"""The official `anthropic` package for Python: messages, stream helpers, tool runners, structured output, counts, errors, early ends."""

from __future__ import annotations

import time
from typing import Any

import anthropic
import pytest
from anthropic import beta_tool
from pydantic import BaseModel

from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.scripted import ADA, HELLO, REFUSAL, THOUGHTS

WEATHER: Any = {
    "name": "weather",
    "description": "The weather at a place.",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}


class Person(BaseModel):
    name: str
    born: int
    fields: list[str]


@pytest.fixture(autouse=True)
def nothing_from_the_environment(monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def client_of(gateway, key, **options):
    return anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key=key, **{"max_retries": 0, **options})


@pytest.fixture
def client(gateway, keys):
    with client_of(gateway, keys.rich.key) as client:
        yield client


def says(model, content, **fields):
    return {"model": model.name, "max_tokens": 500, "messages": [{"role": "user", "content": content}], **fields}


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.money
def test_a_whole_answer(client, keys, model):
    raw = client.messages.with_raw_response.create(**says(model, "Say hello"))
    message = raw.parse()
    assert (text_of(message), message.stop_reason, message.model, message.role) == ("".join(HELLO), "end_turn", model.name, "assistant")
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens) == (8, 4, 3)
    assert raw.request_id == raw.headers["inference-id"] == message._request_id
    keys.assert_charged(raw.request_id)


def test_events_of_a_stream(client, model):
    kinds = [event.type for event in client.messages.create(**says(model, "Say hello", stream=True))]
    assert kinds == [
        "message_start", "content_block_start", *["content_block_delta"] * 3, "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip


def test_the_stream_helper(client, model):
    with client.messages.stream(**says(model, "Say hello")) as stream:
        assert list(stream.text_stream) == HELLO
        message = stream.get_final_message()
    assert (text_of(message), message.stop_reason, message.usage.output_tokens) == ("".join(HELLO), "end_turn", 3)
    assert message.usage.cache_read_input_tokens == 4


def test_a_bearer_token_and_a_name_without_a_slash(gateway, keys, model):
    address = f"{gateway.url}/anthropic"
    with anthropic.Anthropic(base_url=address, api_key=None, auth_token=keys.rich.key, max_retries=0) as bearing:
        message = bearing.messages.create(**says(model, "Say hello") | {"model": model.name.replace("/", "--")})
    assert (message.model, text_of(message)) == (model.name, "".join(HELLO))


def test_thinking_comes_and_goes_back(client, backend, model):
    with client.messages.stream(**says(model, "Think", thinking={"type": "enabled", "budget_tokens": 1024})) as stream:
        thoughts = [event.thinking for event in stream if event.type == "thinking"]
        message = stream.get_final_message()
    assert "".join(thoughts) == THOUGHTS
    thinking, text = message.content
    assert (thinking.thinking, text.text, bool(thinking.signature)) == (THOUGHTS, "Four.", True)
    said = "Say hello, after thinking, in Python"
    history = [{"role": "user", "content": "Think"}, message.to_param(), {"role": "user", "content": said}]
    assert text_of(client.messages.create(**says(model, "") | {"messages": history})) == "".join(HELLO)
    assert request_that_said(backend, said).json["messages"][1]["reasoning_content"] == THOUGHTS


def test_thinking_out_of_sight_goes_back_too(client, backend, model):
    message = client.messages.create(**says(model, "Think", thinking={"type": "adaptive", "display": "omitted"}))
    assert (message.content[0].type, message.content[0].thinking) == ("thinking", "")
    said = "Say hello, after thinking out of sight"
    history = [{"role": "user", "content": "Think"}, message.to_param(), {"role": "user", "content": said}]
    client.messages.create(**says(model, "") | {"messages": history})
    assert request_that_said(backend, said).json["messages"][1]["reasoning_content"] == THOUGHTS


def test_a_tool_call_and_its_result(client, model):
    asked = says(model, "Weather in Zürich", tools=[WEATHER])
    with client.messages.stream(**asked) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    [call] = message.content
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"place": "Zürich"})
    assert len(pieces) > 1
    assert client.messages.create(**asked).content[0].input == call.input
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "windy"}
    history = [*asked["messages"], message.to_param(), {"role": "user", "content": [result]}]
    assert text_of(client.messages.create(**asked | {"messages": history})) == "It is windy."


@pytest.mark.parametrize("options", [{}, {"stream": True}, {"thread": False}])
def test_the_tool_runner(client, model, options):
    """By itself it asks for a conversation that the server keeps, is refused, and goes on without."""
    asked = []

    @beta_tool
    def weather(place: str) -> str:
        """The weather at a place.

        Args:
            place: where
        """
        asked.append(place)
        return "raining"

    runner = client.beta.messages.tool_runner(**says(model, "Weather in Oslo"), tools=[weather], **options)
    final = runner.until_done()
    assert asked == ["Oslo"]
    assert text_of(final) == "It is raining."


def test_structured_output(client, backend, model):
    message = client.messages.parse(**says(model, "Describe Ada, parsed in Python"), output_format=Person)
    assert message.parsed_output == Person(**ADA)
    asked = request_that_said(backend, "Describe Ada, parsed in Python").json["response_format"]
    assert (asked["type"], asked["json_schema"]["strict"]) == ("json_schema", True)


def test_tokens_are_counted(client, model):
    counted = client.messages.count_tokens(model=model.name, messages=[{"role": "user", "content": "one two three"}], system="four")
    assert counted.input_tokens == 4


def test_models_are_listed_and_retrieved(client, model):
    assert model.name in [one.id for one in client.models.list(limit=5)]
    assert client.models.retrieve(model.name).id == client.models.retrieve(model.name.replace("/", "--")).id == model.name


@pytest.mark.parametrize(
    ("kind", "status", "type_", "text", "fields"),
    [
        (anthropic.BadRequestError, 400, "invalid_request_error", "max_tokens: ", {"max_tokens": 0}),
        (anthropic.NotFoundError, 404, "not_found_error", "nobody/none", {"model": "nobody/none"}),
        (anthropic.BadRequestError, 400, "invalid_request_error", REFUSAL, {"messages": [{"role": "user", "content": "Refuse"}]}),
        (anthropic.InternalServerError, 502, "api_error", "backend failed", {"messages": [{"role": "user", "content": "Fail"}]}),
    ],
)
def test_errors_are_the_clients_own(client, model, kind, status, type_, text, fields):
    with pytest.raises(kind) as refused:
        client.messages.create(**says(model, "Say hello") | fields)
    error = refused.value
    assert (error.status_code, error.type) == (status, type_)
    assert text in error.body["error"]["message"]
    assert error.request_id == error.body["request_id"]


def test_keys_and_credit_are_refused_in_kind(gateway, keys, model):
    with client_of(gateway, "akml-" + "0" * 40) as wrong, pytest.raises(anthropic.AuthenticationError):
        wrong.messages.create(**says(model, "Say hello"))
    with client_of(gateway, keys.poor.key) as poor, pytest.raises(anthropic.APIStatusError) as broke:
        poor.messages.create(**says(model, "Say hello"))
    assert (broke.value.status_code, broke.value.type) == (402, "billing_error")


def test_a_stream_that_breaks_off_is_an_error(client, model):
    texts = []
    with client.messages.stream(**says(model, "Break off")) as stream, pytest.raises(anthropic.APIStatusError) as broken:
        texts.extend(stream.text_stream)
    assert "backend broke off" in str(broken.value)
    assert broken.value.type == "api_error"


def test_a_503_is_retried(gateway, keys, model):
    with client_of(gateway, keys.rich.key, max_retries=1) as patient:
        assert text_of(patient.messages.create(**says(model, "Busy once, for Anthropic's package"))) == "".join(HELLO)


async def test_the_asynchronous_client(gateway, keys, model):
    async with anthropic.AsyncAnthropic(base_url=f"{gateway.url}/anthropic", api_key=keys.rich.key, max_retries=0) as client:
        async with client.messages.stream(**says(model, "Say hello")) as stream:
            assert [text async for text in stream.text_stream] == HELLO
        assert text_of(await client.messages.create(**says(model, "Say hello"))) == "".join(HELLO)


def test_a_stream_closed_early_stops_the_backend(client, backend, model):
    said = "Go on, until Anthropic's stream is closed"
    with client.messages.stream(**says(model, said)) as stream:
        texts = stream.text_stream
        assert [next(texts), next(texts)] == HELLO[:2]
        left_at = time.monotonic()
    assert_stopped_soon(backend, said, left_at)


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(backend, keys):
    """Comes last: it counts what all of the tests above have asked for."""
    keys.assert_all_settled(backend)
