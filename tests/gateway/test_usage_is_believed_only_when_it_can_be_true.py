"""What a backend reports is charged; what it leaves out or cannot mean is counted here, marked as estimated, and never above the hold."""

from __future__ import annotations

import pytest

from apps.usage.models import Status
from tests.fakes import OMIT
from tests.gateway.clients import INPUT, OUTPUT, PROMPT_BOUND, PROMPT_ESTIMATE, OpenCall, chat, until_known
from tests.gateway.customers import new_model

pytestmark = pytest.mark.money

WORDS = ["one ", "two ", "three ", "four ", "five"]


def counts(prompt: object, completion: object, **more: object) -> dict[str, object]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 1, **more}


ABSURD = {
    "none": OMIT,
    "null": None,
    "a text": "12",
    "an empty object": {},
    "negative prompt": counts(-1, 5),
    "negative output": counts(10, -5),
    "NaN": counts(10, float("nan")),
    "infinite": counts(float("inf"), 5),
    "string": counts("10", 5),
    "boolean": counts(True, 5),
    "fraction": counts(10.5, 5),
    "10^18": counts(10, 10**18),
    "10^30": counts(10**30, 5),
    "beyond twice the context": counts(10, 2 * 131_072 + 1),
    "negative cached": counts(10, 5, prompt_tokens_details={"cached_tokens": -3}),
    "text as cached": counts(10, 5, prompt_tokens_details={"cached_tokens": "3"}),
    "negative reasoning": counts(10, 5, completion_tokens_details={"reasoning_tokens": -1}),
}


@pytest.fixture
def model(gateway, backend):
    return until_known(new_model(backend.base_url), gateway)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("usage", ABSURD.values(), ids=ABSURD)
def test_missing_and_impossible_counts_are_replaced_by_ours(gateway, customer, backend, model, usage, stream):
    backend.reply(chunks=WORDS, usage=usage)
    answer = chat(gateway, customer, model, stream=stream, max_tokens=50)
    assert answer.status_code == 200
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")
    [row] = customer.settled()
    assert (row.status, row.estimated, row.prompt_tokens) == (Status.COMPLETED, True, PROMPT_ESTIMATE)
    # Streamed: a token a chunk. Whole: four bytes a token of its 23.
    assert row.completion_tokens == (5 if stream else 6)
    assert row.cost == row.charged == PROMPT_ESTIMATE * INPUT + row.completion_tokens * OUTPUT


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_is_counted_here_is_never_charged_above_the_hold(gateway, customer, backend, model, stream):
    backend.reply(chunks=["word "] * 400, usage=OMIT)
    assert chat(gateway, customer, model, stream=stream, max_tokens=2).status_code == 200
    [row] = customer.settled()
    assert row.completion_tokens >= 400
    assert row.cost == row.charged == PROMPT_BOUND * INPUT + 2 * OUTPUT


def test_the_last_of_several_reports_counts(gateway, customer, backend, model):
    backend.reply(chunks=WORDS, prompt_tokens=10, usage_every_chunk=True)
    assert chat(gateway, customer, model, stream=True).status_code == 200
    [row] = customer.settled()
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (10, 5, False)


def test_an_answer_with_numbers_that_are_no_json_is_still_delivered_as_json(gateway, customer, backend, model):
    backend.reply(chunks=WORDS, usage=counts(float("nan"), float("-inf")))
    answer = chat(gateway, customer, model)
    assert answer.json()["usage"]["prompt_tokens"] is None
    assert answer.json()["choices"][0]["message"]["content"] == "one two three four five"


@pytest.mark.parametrize(("cached", "priced_as_cached"), [(0, 0), (60, 60), (100, 100), (500, 100)])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_cached_prompt_tokens_are_priced_once_at_the_cache_price(gateway, customer, backend, cached, priced_as_cached, stream):
    model = until_known(new_model(backend.base_url, prices={"input": "1", "cached_input": "0.1", "output": "2"}), gateway)
    backend.reply(chunks=WORDS, prompt_tokens=100, cached_tokens=cached)
    assert chat(gateway, customer, model, stream=stream).status_code == 200
    [row] = customer.settled()
    assert (row.prompt_tokens, row.cached_tokens) == (100, priced_as_cached)
    assert row.charged == (100 - priced_as_cached) * 1_000 + priced_as_cached * 100 + 5 * 2_000


def test_a_model_without_a_cache_price_charges_cached_tokens_as_input(gateway, customer, backend, model):
    backend.reply(chunks=WORDS, prompt_tokens=100, cached_tokens=60)
    assert chat(gateway, customer, model).status_code == 200
    assert customer.settled()[0].charged == 100 * INPUT + 5 * OUTPUT


def test_reasoning_tokens_are_part_of_the_output(gateway, customer, backend, model):
    backend.reply("Hi", reasoning="a b c", prompt_tokens=10, reasoning_tokens=3)
    with OpenCall(gateway, customer, model) as call:
        assert call.rest()[-1] == "[DONE]"
    [row] = customer.settled()
    assert (row.completion_tokens, row.reasoning_tokens) == (4, 3)
    assert row.charged == 10 * INPUT + 4 * OUTPUT
