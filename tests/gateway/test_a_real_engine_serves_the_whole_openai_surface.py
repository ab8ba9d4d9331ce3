"""llama.cpp behind the platform: text completions, schemas, logprobs, stop, several prompts and cancellation work as with the engine itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import openai
import pytest

from apps.usage.models import Status
from tests.engine import Engine
from tests.gateway.clients import MESSAGES, until_known
from tests.gateway.customers import Customer, new_model
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money
PROMPT = "the model is"
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}


@pytest.fixture
def model(gateway: GatewayProcess, engine: Engine) -> str:
    return until_known(new_model(engine.base_url, upstream="random", context_length=2048), gateway).name


@pytest.fixture
def client(gateway: GatewayProcess, customer: Customer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.base_url, api_key=customer.key, max_retries=0) as client:
        yield client


def test_a_text_is_completed_the_same_streamed_and_whole(client: openai.OpenAI, customer: Customer, model: str) -> None:
    fields = {"model": model, "prompt": PROMPT, "max_tokens": 12, "temperature": 0}
    whole = client.completions.create(**fields)
    chunks = list(client.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert {whole.model, *(chunk.model for chunk in chunks)} == {model}
    first, second = customer.settled(2)
    assert (first.completion_tokens, second.completion_tokens) == (12, 12)
    assert first.charged == second.charged


def test_a_streamed_text_hides_usage_that_nobody_asked_for(client: openai.OpenAI, customer: Customer, model: str) -> None:
    chunks = list(client.completions.create(model=model, prompt=PROMPT, max_tokens=5, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert (customer.settled()[0].completion_tokens, customer.settled()[0].estimated) == (5, False)


def test_token_ids_are_a_prompt(engine: Engine, client: openai.OpenAI, customer: Customer, model: str) -> None:
    ids = httpx.post(engine.base_url.removesuffix("/v1") + "/tokenize", json={"content": PROMPT}).json()["tokens"]
    by_ids = client.completions.create(model=model, prompt=ids, max_tokens=6, temperature=0)
    assert by_ids.usage is not None
    assert by_ids.usage.completion_tokens == 6
    assert customer.settled()[0].prompt_tokens == by_ids.usage.prompt_tokens


def test_several_prompts_are_answered_in_order(client: openai.OpenAI, customer: Customer, model: str) -> None:
    answer = client.completions.create(model=model, prompt=[PROMPT, "is on"], max_tokens=4, temperature=0)
    assert sorted(choice.index for choice in answer.choices) == [0, 1]
    assert len(customer.settled()) == 1


def test_a_schema_is_obeyed(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=MESSAGES,
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
    )
    assert answer.choices[0].message.content is not None
    assert json.loads(answer.choices[0].message.content).keys() == {"ok"}


def test_logprobs_come_through(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=3, logprobs=True, top_logprobs=2)
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.content is not None
    assert [len(token.top_logprobs) for token in answer.choices[0].logprobs.content] == [2, 2, 2]


def test_stop_ends_the_answer_before_the_bound(client: openai.OpenAI, customer: Customer, model: str) -> None:
    fields = {"model": model, "messages": MESSAGES, "max_tokens": 24, "temperature": 0, "seed": 1}
    text = client.chat.completions.create(**fields).choices[0].message.content
    assert text
    stop = text[len(text) // 2 :][:3]
    stopped = client.chat.completions.create(**fields, stop=[stop])
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == text[: text.index(stop)]
    assert customer.settled(2)[1].completion_tokens < 24


def test_leaving_in_the_middle_charges_what_was_generated_and_frees_the_engine(
    client: openai.OpenAI, customer: Customer, model: str
) -> None:
    with client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=1900, stream=True) as stream:
        for number, _ in enumerate(stream):
            if number == 3:
                break
    [row] = customer.settled()
    # The engine is quicker than a disconnect may be: it has ended by itself then, and is charged as an answer that did.
    assert row.status in (Status.CANCELLED, Status.COMPLETED)
    assert 3 <= row.completion_tokens <= 1900
    assert row.charged > 0
    assert customer.held == 0
    wait_for(lambda: client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=1).usage is not None)
