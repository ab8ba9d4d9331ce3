"""LangChain's ChatOpenAI: calls, streams, tools, structured output, usage and errors, sync and async."""

from __future__ import annotations

import time

import openai
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.scripted import ADA, HELLO

# LangChain keeps one HTTP client for all its asynchronous calls, which so have to share an event loop.
in_one_loop = pytest.mark.asyncio(loop_scope="module")


class Person(BaseModel):
    """A person of note."""

    name: str
    born: int
    fields: list[str]


@tool
def weather(place: str) -> str:
    """The weather at a place."""
    return f"sunny in {place}"


@pytest.fixture(autouse=True)
def nothing_is_traced(monkeypatch):
    """A developer's own settings would send these calls elsewhere."""
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "false")
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(gateway, keys, model):
    def make(key: str = keys.rich.key, **options: object) -> ChatOpenAI:
        return ChatOpenAI(**{"base_url": gateway.base_url, "api_key": key, "model": model.name, "max_retries": 0, **options})

    return make


@pytest.fixture
def llm(make):
    return make()


def gathered(chunks):
    [first, *rest] = chunks
    return sum(rest, first)


def assert_usage(message):
    usage = message.usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (12, 3, 15)
    assert usage["input_token_details"]["cache_read"] == 4


def test_invoke(llm, model):
    message = llm.invoke("Say hello")
    assert message.content == "".join(HELLO)
    assert message.response_metadata["model_name"] == model.name
    assert message.response_metadata["finish_reason"] == "stop"
    assert_usage(message)


def test_stream(make):
    chunks = list(make(stream_usage=True).stream("Say hello"))
    assert [chunk.content for chunk in chunks if chunk.content] == HELLO
    assert isinstance(chunks[0], AIMessageChunk)
    assert_usage(gathered(chunks))


@in_one_loop
async def test_ainvoke_and_astream(make):
    llm = make(stream_usage=True)
    assert (await llm.ainvoke("Say hello")).content == "".join(HELLO)
    chunks = [chunk async for chunk in llm.astream("Say hello")]
    assert gathered(chunks).content == "".join(HELLO)
    assert_usage(gathered(chunks))


def test_batch(llm):
    assert [message.content for message in llm.batch(["Say hello", "Think"])] == ["".join(HELLO), "Four."]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_loop(llm, streamed):
    bound = llm.bind_tools([weather])
    messages = [HumanMessage("Weather in São Paulo")]
    answer = gathered(bound.stream(messages)) if streamed else bound.invoke(messages)
    [call] = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"place": "São Paulo"})
    result = weather.invoke(call)
    assert isinstance(result, ToolMessage)
    assert bound.invoke([*messages, answer, result]).content == "It is sunny in São Paulo."


@in_one_loop
async def test_an_asynchronous_tool_loop(llm):
    bound = llm.bind_tools([weather])
    messages = [HumanMessage("Weather in Lima")]
    answer = await bound.ainvoke(messages)
    result = await weather.ainvoke(answer.tool_calls[0])
    assert (await bound.ainvoke([*messages, answer, result])).content == "It is sunny in Lima."


def test_a_chosen_tool_reaches_the_backend(llm, backend):
    llm.bind_tools([weather], tool_choice="weather").invoke("Weather in Rome, by choice")
    asked = request_that_said(backend, "Weather in Rome, by choice").json
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert asked["tools"][0]["function"]["name"] == "weather"


def test_structured_output_by_schema(llm, backend):
    said = "Describe Ada, by schema"
    assert llm.with_structured_output(Person, method="json_schema").invoke(said) == Person(**ADA)
    assert request_that_said(backend, said).json["response_format"]["type"] == "json_schema"


def test_structured_output_in_json_mode(llm, backend):
    said = "Describe Ada, in JSON"
    assert llm.with_structured_output(Person, method="json_mode").invoke(said) == Person(**ADA)
    assert request_that_said(backend, said).json["response_format"] == {"type": "json_object"}


@in_one_loop
async def test_structured_output_by_schema_asynchronously(llm):
    assert await llm.with_structured_output(Person, method="json_schema").ainvoke("Describe Ada") == Person(**ADA)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # LangChain's own
def test_structured_output_by_schema_of_a_stream(llm):
    *_, last = llm.with_structured_output(Person, method="json_schema").stream("Describe Ada")
    assert last == Person(**ADA)


def test_errors_are_those_of_the_openai_package_with_our_text(make, keys):
    with pytest.raises(openai.AuthenticationError, match="API key"):
        make("akml-wrong").invoke("Say hello")
    with pytest.raises(openai.NotFoundError, match="nobody/none"):
        make(model="nobody/none").invoke("Say hello")
    with pytest.raises(openai.BadRequestError, match="temperature"):
        make(temperature=9).invoke("Say hello")
    with pytest.raises(openai.APIStatusError, match="Add credit"):
        make(keys.poor.key).invoke("Say hello")
    with pytest.raises(openai.APIError, match="backend broke off"):
        list(make().stream("Break off"))


def test_a_busy_backend_is_asked_again(make, backend):
    said = "Busy once, for LangChain"
    assert make(max_retries=1).invoke(said).content == "".join(HELLO)
    assert sum(record.last_user_message == said for record in backend.requests) == 2


def test_a_stream_left_early_stops_the_backend(llm, backend):
    said = "Go on, until LangChain leaves"
    stream = llm.stream(said)
    for chunk in stream:
        if chunk.content:
            break
    left_at = time.monotonic()
    stream.close()
    assert_stopped_soon(backend, said, left_at)


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(backend, keys):
    """Comes last: it counts what all of the tests above have asked for."""
    keys.assert_all_settled(backend)
