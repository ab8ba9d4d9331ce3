"""The official `openai` Python SDK as customers use it: whole and streamed, sync and async, and the error class for each refusal."""

from __future__ import annotations

import asyncio

import openai
import pytest

from apps.api_keys.actions import Limits
from apps.usage.models import Status
from tests.fakes import Reply, reset
from tests.fakes import Status as HttpStatus
from tests.gateway.clients import MESSAGES, until_known
from tests.gateway.customers import Customer, new_customer, new_model
from tests.gateway.processes import GatewayProcess

WORDS = ["one ", "two ", "three"]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"where": {"type": "string"}}}}}


@pytest.fixture
def model(gateway, backend):
    backend.reply(chunks=WORDS, prompt_tokens=10)
    return until_known(new_model(backend.base_url), gateway).name


@pytest.fixture
def client(gateway, customer):
    with openai.OpenAI(base_url=gateway.base_url, api_key=customer.key, max_retries=0) as client:
        yield client


def test_a_whole_answer(client, customer, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES)
    answer = raw.parse()
    assert answer.model == model
    assert answer.choices[0].message.content == "one two three"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 3)
    assert customer.inference(raw.headers["inference-id"]).completion_tokens == 3


def test_a_streamed_answer(client, customer, model):
    chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"
    assert chunks[-1].usage.total_tokens == 13
    assert {chunk.model for chunk in chunks} == {model}


def test_the_stream_helper(client, backend, model):
    with client.chat.completions.stream(model=model, messages=MESSAGES) as stream:
        texts = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert texts == ["", *WORDS]  # the role comes first
    assert final.choices[0].message.content == "one two three"
    assert final.choices[0].finish_reason == "stop"


def test_tool_calls(client, backend, model):
    backend.reply("", tool_calls=[{"name": "look", "arguments": '{"where": "here and there"}'}])
    answer = client.chat.completions.create(model=model, messages=MESSAGES, tools=[TOOL])
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"where": "here and there"}'
    with client.chat.completions.stream(model=model, messages=MESSAGES, tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"where": "here and there"}'


def test_the_asynchronous_client_with_many_requests_at_once(gateway, customer, model):
    async def stream_one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def whole_one(client: openai.AsyncOpenAI) -> str:
        answer = await client.chat.completions.create(model=model, messages=MESSAGES)
        return answer.choices[0].message.content

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=customer.key, max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(8) for one in (stream_one, whole_one)))

    assert asyncio.run(all_of_them()) == ["one two three"] * 16
    assert len(customer.settled(16)) == 16


def test_a_client_that_breaks_out_of_its_stream_is_settled(client, customer, backend, model):
    backend.gate("before_chunk:2")
    with client.chat.completions.create(model=model, messages=MESSAGES, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content == "two ":
                break
    assert customer.settled()[0].completion_tokens == 2


def test_refusals_raise_the_class_that_fits(gateway, client, customer, model):
    def create(key: str = customer.key, name: str = model, **fields: object) -> None:
        client.with_options(api_key=key).chat.completions.create(**{"model": name, "messages": MESSAGES, **fields})

    with pytest.raises(openai.AuthenticationError) as wrong_key:
        create(key="akml-wrong")
    assert wrong_key.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        create(name="none/such")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as hot:
        create(temperature=9)
    assert hot.value.param == "temperature"
    assert "temperature" in hot.value.message
    with pytest.raises(openai.APIStatusError) as poor:
        create(key=new_customer("0").key)
    assert (poor.value.status_code, poor.value.code) == (402, "insufficient_credits")
    limited = customer.new_key(Limits(rpm=1))
    create(key=limited)
    with pytest.raises(openai.RateLimitError) as often:
        create(key=limited)
    assert often.value.code == "rate_limit_exceeded"
    assert int(often.value.response.headers["retry-after"]) >= 1


def test_a_failing_backend_raises_the_class_that_fits(client, backend, model):
    backend.default = HttpStatus(500)
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert failed.value.status_code == 502
    backend.default = HttpStatus(400, {"error": {"message": "this model has no tools", "code": 400}})
    with pytest.raises(openai.BadRequestError, match="this model has no tools"):
        client.chat.completions.create(model=model, messages=MESSAGES)


def test_a_stream_that_breaks_raises_instead_of_ending(client, backend, model):
    gate = backend.gate("before_chunk:2")
    backend.default = Reply(chunks=WORDS, at={"before_chunk:2": reset})
    texts = []

    def read_all() -> None:
        for chunk in client.chat.completions.create(model=model, messages=MESSAGES, stream=True):
            texts.append(chunk.choices[0].delta.content)
            if texts[-1] == "two ":
                gate.release()

    with pytest.raises(openai.APIError, match="backend"):
        read_all()
    assert texts == ["", "one ", "two "]


def test_the_sdk_tries_an_overloaded_backend_again_after_the_time_it_was_told(gateway, customer, backend, model):
    backend.then(HttpStatus(503), Reply("at last"))
    with openai.OpenAI(base_url=gateway.base_url, api_key=customer.key, max_retries=1) as client:
        answer = client.chat.completions.create(model=model, messages=MESSAGES)
    assert answer.choices[0].message.content == "at last"
    assert [row.status for row in customer.settled(2)] == [Status.FAILED, Status.COMPLETED]


def test_the_sdks_request_id_is_the_inference_id(gateway: GatewayProcess, customer: Customer) -> None:
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key=customer.key, max_retries=0) as client,
        pytest.raises(openai.NotFoundError) as missing,
    ):
        client.chat.completions.create(model="no/such", messages=[{"role": "user", "content": "hi"}])
    assert missing.value.request_id == missing.value.response.headers["inference-id"]
