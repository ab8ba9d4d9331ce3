"""`openai.AsyncOpenAI`: streams, parsed output, tools, errors, and tasks that are cancelled."""

from __future__ import annotations

import asyncio
import time

import openai
import pytest
from pydantic import BaseModel

from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.scripted import ADA, HELLO
from tests.gateway.waiting import wait_for


class Person(BaseModel):
    name: str
    born: int
    fields: list[str]


class Weather(BaseModel):
    place: str


WEATHER = openai.pydantic_function_tool(Weather, name="weather")


@pytest.fixture
async def client(gateway, keys):
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=keys.rich.key, max_retries=0) as client:
        yield client


def says(model, content, **fields):
    return {"model": model.name, "messages": [{"role": "user", "content": content}], **fields}


async def test_models_are_listed(client, model):
    assert model.name in [one.id async for one in client.models.list()]


async def test_a_stream_with_its_headers(client, model):
    raw = await client.chat.completions.with_raw_response.create(**says(model, "Say hello", stream=True))
    assert raw.headers["x-accel-buffering"] == "no"
    assert raw.headers["inference-id"]
    texts = [chunk.choices[0].delta.content or "" async for chunk in raw.parse()]
    assert "".join(texts) == "".join(HELLO)


async def test_the_stream_helper_parses_output(client, model):
    async with client.chat.completions.stream(**says(model, "Describe Ada"), response_format=Person) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("content.delta") > 1
    assert final.choices[0].message.parsed == Person(**ADA)


async def test_a_tool_loop(client, model):
    messages = [{"role": "user", "content": "Weather in Lima"}]
    answer = await client.chat.completions.parse(model=model.name, messages=messages, tools=[WEATHER])
    [call] = answer.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Weather(place="Lima")
    messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "foggy"}]
    answer = await client.chat.completions.create(model=model.name, messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "It is foggy."


async def test_text_completions(client, model):
    stream = await client.completions.create(model=model.name, prompt="Say hello", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "".join(HELLO)


async def test_a_cancelled_task_stops_the_backend(client, backend, model):
    said = "Say nothing, until the task is cancelled"
    task = asyncio.create_task(client.chat.completions.create(**says(model, said)))
    await backend.wait_for_async(lambda: any(record.last_user_message == said for record in backend.requests))
    left_at = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(assert_stopped_soon, backend, said, left_at)


async def test_a_stream_left_early_stops_the_backend(client, backend, model):
    said = "Go on, until the block is left"
    async with await client.chat.completions.create(**says(model, said, stream=True)) as stream:
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        left_at = time.monotonic()
    await asyncio.to_thread(assert_stopped_soon, backend, said, left_at)


async def test_a_time_out(client, backend, model):
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=1).chat.completions.create(**says(model, "Say nothing, until time is out"))
    await asyncio.to_thread(assert_stopped_soon, backend, "Say nothing, until time is out", time.monotonic())


async def test_refusals_raise_the_class_that_fits(gateway, client, keys, model):
    hello = says(model, "Say hello")
    completions = client.chat.completions
    with pytest.raises(openai.AuthenticationError, match="API key"):
        await client.with_options(api_key="akml-wrong").chat.completions.create(**hello)
    with pytest.raises(openai.NotFoundError, match="nobody/none"):
        await completions.create(**hello | {"model": "nobody/none"})
    with pytest.raises(openai.BadRequestError, match="top_p") as wrong:
        await completions.create(**hello, top_p=7)
    assert wrong.value.param == "top_p"
    with pytest.raises(openai.APIStatusError, match="Add credit") as poor:
        await client.with_options(api_key=keys.poor.key).chat.completions.create(**hello)
    assert poor.value.status_code == 402
    with pytest.raises(openai.InternalServerError, match="backend failed"):
        await completions.create(**says(model, "Fail"))
    with pytest.raises(openai.APIError, match="backend broke off"):
        async for _ in await completions.create(**says(model, "Break off", stream=True)):
            pass


async def test_one_client_for_many_requests_at_once(client, backend, model):
    async def one(number):
        answer = await client.chat.completions.create(**says(model, f"Weather in place {number}"), tools=[WEATHER])
        return answer.choices[0].message.tool_calls[0].function.arguments

    answers = await asyncio.gather(*(one(number) for number in range(20)))
    assert answers == [f'{{"place": "place {number}"}}' for number in range(20)]
    assert request_that_said(backend, "Weather in place 7").json["model"] == model.upstream


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(backend, keys):
    """Comes last: it counts what all of the tests above have asked for."""
    wait_for(lambda: backend.open == 0, what="the end of every request")
    keys.assert_all_settled(backend)
