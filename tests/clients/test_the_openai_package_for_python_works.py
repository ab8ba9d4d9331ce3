"""The official `openai` package for Python beyond the basics: raw answers, parsed output, tools, completions, time-outs, early ends.

tests/gateway/test_the_openai_sdk_works.py has the basics."""

from __future__ import annotations

import json
import time

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from pydantic import BaseModel

from apps.usage.models import Status
from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.scripted import ADA, HELLO, REFUSAL, THOUGHTS


class Person(BaseModel):
    name: str
    born: int
    fields: list[str]


class Weather(BaseModel):
    place: str


WEATHER = openai.pydantic_function_tool(Weather, name="weather")


@pytest.fixture
def client(gateway, keys):
    with openai.OpenAI(base_url=gateway.base_url, api_key=keys.rich.key, max_retries=0) as client:
        yield client


@pytest.fixture
def chat(client):
    return client.chat.completions


def says(model, content, **fields):
    return {"model": model.name, "messages": [{"role": "user", "content": content}], **fields}


def test_models_are_listed_and_retrieved(client, model):
    assert model.name in [one.id for one in client.models.list()]
    one = client.models.retrieve(model.name)
    assert (one.id, one.object, one.owned_by) == (model.name, "model", "tests")


@pytest.mark.money
def test_a_raw_answer_has_the_headers_and_the_price_that_was_charged(chat, keys, model):
    raw = chat.with_raw_response.create(**says(model, "Say hello"))
    assert raw.headers["content-type"] == "application/json"
    assert raw.retries_taken == 0
    usage = raw.parse().usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens) == (12, 4, 3)
    keys.assert_charged(raw.headers["inference-id"])


def test_a_raw_answer_of_a_limited_key_has_the_limits(gateway, keys, model):
    with openai.OpenAI(base_url=gateway.base_url, api_key=keys.once_a_minute.key, max_retries=0) as limited:
        raw = limited.chat.completions.with_raw_response.create(**says(model, "Say hello"))
    assert (raw.headers["x-ratelimit-limit-requests"], raw.headers["x-ratelimit-remaining-requests"]) == ("1", "0")


def test_a_streaming_response_is_read_line_by_line(chat, model):
    with chat.with_streaming_response.create(**says(model, "Say hello", stream=True)) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


def test_parsed_output_is_an_object_of_the_class(chat, backend, model):
    message = chat.parse(**says(model, "Describe Ada, parsed"), response_format=Person).choices[0].message
    assert message.parsed == Person(**ADA)
    asked = request_that_said(backend, "Describe Ada, parsed").json["response_format"]
    assert (asked["type"], asked["json_schema"]["name"], asked["json_schema"]["strict"]) == ("json_schema", "Person", True)


def test_parsed_output_of_a_stream(chat, model):
    with chat.stream(**says(model, "Describe Ada"), response_format=Person) as stream:
        deltas = [event.parsed for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Person(**ADA)
    assert len(deltas) > 1


def test_output_that_was_cut_short_is_not_parsed(chat, model):
    with pytest.raises(openai.LengthFinishReasonError):
        chat.parse(**says(model, "Describe nobody"), response_format=Person)


def test_a_tool_call_is_parsed_and_its_result_answered(chat, model):
    asked = says(model, "Weather in Zürich")
    message = chat.parse(**asked, tools=[WEATHER]).choices[0].message
    [call] = message.tool_calls
    assert call.function.parsed_arguments == Weather(place="Zürich")
    result = {"role": "tool", "tool_call_id": call.id, "content": "windy"}
    history = [*asked["messages"], message.model_dump(exclude_none=True), result]
    answer = chat.create(model=model.name, messages=history, tools=[WEATHER])
    assert answer.choices[0].message.content == "It is windy."


def test_a_tool_call_of_a_stream_is_parsed(chat, model):
    with chat.stream(**says(model, "Weather in Oslo"), tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls[0].function.parsed_arguments == Weather(place="Oslo")


def test_chunks_put_together_are_the_whole_answer(chat, model):
    state = ChatCompletionStreamState()
    for chunk in chat.create(**says(model, "Say hello", stream=True, stream_options={"include_usage": True})):
        state.handle_chunk(chunk)
    streamed, whole = state.get_final_completion(), chat.create(**says(model, "Say hello"))
    assert streamed.choices[0].message.content == whole.choices[0].message.content == "".join(HELLO)
    assert streamed.usage == whole.usage


def test_thinking_can_be_shown_and_left_out(chat, model):
    shown = chat.create(**says(model, "Think")).choices[0].message
    assert (shown.reasoning_content, shown.reasoning, shown.content) == (THOUGHTS, THOUGHTS, "Four.")
    hidden = chat.create(**says(model, "Think"), extra_body={"reasoning": {"exclude": True}})
    assert "reasoning" not in hidden.choices[0].message.model_dump()
    assert hidden.usage.completion_tokens_details.reasoning_tokens == 5


def test_several_answers_with_log_probabilities(chat, model):
    whole = chat.create(**says(model, "Say hello", n=2, logprobs=True, top_logprobs=1))
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert [token.token for token in whole.choices[1].logprobs.content] == HELLO
    with chat.stream(**says(model, "Say hello", n=2, logprobs=True)) as stream:
        final = stream.get_final_completion()
    assert [choice.message.content for choice in final.choices] == ["".join(HELLO)] * 2
    assert [token.token for token in final.choices[1].logprobs.content] == HELLO


def test_the_deprecated_function_calls(chat, backend, model):
    asked = says(model, "Weather in Paris, the old way", functions=[{"name": "weather", "parameters": {"type": "object"}}])
    choice = chat.create(**asked).choices[0]
    assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
    assert json.loads(choice.message.function_call.arguments) == {"place": "Paris, the old way"}
    pieces = [chunk.choices[0].delta.function_call for chunk in chat.create(**asked, stream=True)]
    assert json.loads("".join(piece.arguments for piece in pieces if piece)) == {"place": "Paris, the old way"}
    assert backend.last.json["tools"][0]["function"]["name"] == "weather"
    result = {"role": "function", "name": "weather", "content": "mild"}
    history = [*asked["messages"], choice.message.model_dump(exclude_none=True), result]
    assert chat.create(model=model.name, messages=history).choices[0].message.content == "It is mild."


def test_text_completions(client, model):
    whole = client.completions.create(model=model.name, prompt="Say hello", max_tokens=20)
    assert (whole.object, whole.model, whole.choices[0].text) == ("text_completion", model.name, "".join(HELLO))
    stream = client.completions.create(model=model.name, prompt="Say hello", stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "".join(HELLO)
    assert chunks[-1].usage == whole.usage
    several = client.completions.create(model=model.name, prompt=["Say hello", "Say hello"], n=2)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]


def test_a_stream_closed_early_stops_the_backend(chat, backend, model):
    said = "Go on, until it is closed"
    stream = chat.create(**says(model, said, stream=True))
    for chunk in stream:
        if chunk.choices[0].delta.content == HELLO[1]:
            break
    left_at = time.monotonic()
    stream.close()
    assert_stopped_soon(backend, said, left_at)


@pytest.mark.parametrize(("content", "stream"), [("Say nothing, until time is out", False), ("Go on, until time is out", True)])
def test_a_client_whose_time_is_out_stops_the_backend(client, backend, model, content, stream):
    impatient = client.with_options(timeout=1)
    with pytest.raises(openai.APITimeoutError):  # noqa: PT012 - a stream is asked for, then read
        answer = impatient.chat.completions.create(**says(model, content, stream=stream))
        for _ in answer:
            pass
    assert_stopped_soon(backend, content, time.monotonic())


def test_the_error_a_client_shows_is_our_text(gateway, chat, keys, model):
    with pytest.raises(openai.BadRequestError) as refused:
        chat.create(**says(model, "Refuse"))
    assert refused.value.body["message"] == REFUSAL
    assert REFUSAL in str(refused.value)
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key=keys.poor.key, max_retries=0) as poor,
        pytest.raises(openai.APIStatusError) as broke,
    ):
        poor.chat.completions.create(**says(model, "Say hello"))
    assert (broke.value.status_code, broke.value.type) == (402, "insufficient_credits")
    assert "Add credit" in str(broke.value)


def test_a_message_the_client_got_can_be_sent_back(chat, backend, model):
    """Histories replay what an answer held, thinking and null fields included."""
    thought = chat.create(**says(model, "Think")).choices[0].message
    history = [{"role": "user", "content": "Think"}, thought.model_dump(), {"role": "user", "content": "Say hello, once more"}]
    assert chat.create(model=model.name, messages=history).choices[0].message.content == "".join(HELLO)
    assert json.loads(request_that_said(backend, "Say hello, once more").body)["messages"][1]["content"] == "Four."


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(backend, keys):
    """Comes last: it counts what all of the tests above have asked for."""
    keys.assert_all_settled(backend)
    assert {row.status for row in keys.rich.inferences} <= {Status.COMPLETED, Status.CANCELLED, Status.FAILED}
