"""llama.cpp behind the platform: its answers arrive, and each request is charged exactly what the engine's usage says."""

from __future__ import annotations

import openai
import pytest

from tests.gateway.clients import INPUT, MESSAGES, OUTPUT, until_known
from tests.gateway.customers import new_model

pytestmark = pytest.mark.money


@pytest.fixture
def model(gateway, engine):
    return until_known(new_model(engine.base_url, upstream="random", context_length=2048), gateway).name


@pytest.fixture
def client(gateway, customer):
    with openai.OpenAI(base_url=gateway.base_url, api_key=customer.key, max_retries=0) as client:
        yield client


def charged_exactly(customer, usage) -> None:
    [row] = customer.settled()
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (usage.prompt_tokens, usage.completion_tokens, False)
    assert row.charged == usage.prompt_tokens * INPUT + usage.completion_tokens * OUTPUT
    assert customer.balance == 10 * 10**9 - row.charged


def test_a_whole_answer(client, customer, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=16, temperature=0)
    assert answer.model == model
    assert answer.usage.completion_tokens == 16
    assert answer.choices[0].finish_reason == "length"
    charged_exactly(customer, answer.usage)


def test_a_streamed_answer_is_the_same_text(client, customer, model):
    fields = {"model": model, "messages": MESSAGES, "max_tokens": 16, "temperature": 0}
    chunks = list(client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    charged_exactly(customer, chunks[-1].usage)
    assert {chunk.model for chunk in chunks} == {model}
    assert client.chat.completions.create(**fields).choices[0].message.content == text


def test_a_stream_without_usage_shows_none_and_is_charged_all_the_same(client, customer, model):
    chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=16, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    [row] = customer.settled()
    assert (row.completion_tokens, row.estimated) == (16, False)


def test_several_choices_are_charged_as_the_engine_counts_them(client, customer, model):
    """This engine's usage counts one of the choices; the platform charges what the backend says and holds for all of them."""
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=8, n=2)
    assert len(answer.choices) == 2
    charged_exactly(customer, answer.usage)


def test_no_bound_sends_the_models_default(client, customer, gateway, engine):
    model = until_known(new_model(engine.base_url, upstream="random", context_length=2048, default_max_output=24), gateway).name
    answer = client.chat.completions.create(model=model, messages=MESSAGES)
    assert answer.usage.completion_tokens == 24
    charged_exactly(customer, answer.usage)


def test_a_prompt_beyond_the_context_is_the_engines_400_and_free(client, customer, model):
    messages = [{"role": "user", "content": "the model is on " * 2_000}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=model, messages=messages, max_tokens=8)
    assert "context" in refused.value.message
    assert customer.settled()[0].charged == 0
