"""However many ask at once, and whatever a backend reports: what is promised to requests is covered, and no balance goes below zero."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from tests.gateway.clients import CHAT, INPUT, OUTPUT, PROMPT_BOUND, authorization, body_for, chat, until_known
from tests.gateway.customers import new_customer, new_model

pytestmark = pytest.mark.money

HOLD_OF_5 = PROMPT_BOUND * INPUT + 5 * OUTPUT


def usd(nano: int) -> str:
    return f"{nano / 10**9:.9f}"


def test_of_200_at_once_exactly_as_many_run_as_the_balance_covers(gateways, backend):
    one, two = gateways(2)
    model = until_known(new_model(backend.base_url), one, two)
    customer = new_customer(usd(10 * HOLD_OF_5))
    gate = backend.gate("before_headers")
    statuses: Counter[int] = Counter()

    async def everybody() -> None:
        async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None)) as client:

            async def one_call(number: int) -> None:
                url = (one, two)[number % 2].base_url + CHAT
                answer = await client.post(url, json=body_for(model, max_tokens=5), headers=authorization(customer))
                statuses[answer.status_code] += 1
                if statuses[402] == 190:  # all others wait at the gate
                    gate.release()

            await asyncio.gather(*(one_call(number) for number in range(200)))

    asyncio.run(everybody())
    assert statuses == {200: 10, 402: 190}
    assert backend.max_open == 10
    rows = customer.settled(10)
    assert [row.charged for row in rows] == [10 * INPUT + 1 * OUTPUT] * 10
    assert customer.balance == 10 * HOLD_OF_5 - 10 * (10 * INPUT + OUTPUT)


def test_the_hold_is_the_prompt_bound_and_the_output_bound_at_their_prices(gateway, customer, backend):
    model = until_known(new_model(backend.base_url, prices={"input": "1", "output": "2", "request": "3"}), gateway)
    gate = backend.gate("before_headers")

    async def held_for(**fields: object) -> int:
        async with httpx.AsyncClient(timeout=30) as client:
            body = body_for(model, **fields)
            call = asyncio.create_task(client.post(gateway.base_url + CHAT, json=body, headers=authorization(customer)))
            await gate.wait_reached_async(gate.reached + 1)
            [hold] = await asyncio.to_thread(lambda: customer.holds)
            assert sum(hold.pool_amounts) == hold.amount
            gate.release(1)
            assert (await call).status_code == 200
            await asyncio.to_thread(customer.settled, len(await asyncio.to_thread(lambda: customer.inferences)))
            return hold.amount

    base = PROMPT_BOUND * INPUT + 3_000  # three millionths of a dollar for the request itself
    assert asyncio.run(held_for(max_tokens=5)) == base + 5 * OUTPUT
    assert asyncio.run(held_for(max_tokens=5, n=3)) == base + 15 * OUTPUT
    assert asyncio.run(held_for(max_completion_tokens=7)) == base + 7 * OUTPUT


def test_without_a_bound_the_models_default_is_held_for_and_sent_to_the_backend(gateway, customer, backend):
    model = until_known(new_model(backend.base_url, default_max_output=300), gateway)
    assert chat(gateway, customer, model).status_code == 200
    assert backend.last.json["max_tokens"] == 300


def test_without_a_bound_a_small_balance_shortens_the_answer_instead_of_refusing_it(gateway, backend):
    model = until_known(new_model(backend.base_url, default_max_output=300), gateway)
    customer = new_customer(usd(PROMPT_BOUND * INPUT + 7 * OUTPUT + OUTPUT - 1))
    assert chat(gateway, customer, model).status_code == 200
    assert backend.last.json["max_tokens"] == 7


def test_a_bound_that_the_balance_shortened_is_sent_even_where_the_prompt_may_fill_the_context(gateway, backend):
    """Else a backend could write the rest of the context for a customer who has credit for a few tokens."""
    model = until_known(new_model(backend.base_url, context_length=PROMPT_BOUND + 5, default_max_output=5), gateway)
    customer = new_customer(usd(PROMPT_BOUND * INPUT + 3 * OUTPUT))
    assert chat(gateway, customer, model, n=1).status_code == 200
    assert backend.last.json["max_tokens"] == 3


def test_a_default_that_may_not_fit_beside_the_prompt_is_left_to_the_backend(gateway, customer, backend):
    model = until_known(new_model(backend.base_url, context_length=PROMPT_BOUND + 4, default_max_output=5), gateway)
    assert chat(gateway, customer, model).status_code == 200
    assert "max_tokens" not in backend.last.json


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_bound_beyond_what_the_model_writes_is_cut_to_what_was_held_for(gateway, customer, backend, name):
    model = until_known(new_model(backend.base_url, max_output_length=64), gateway)
    assert chat(gateway, customer, model, **{name: 100_000}).status_code == 200
    assert backend.last.json["max_tokens"] == 64
    assert "max_completion_tokens" not in backend.last.json


def test_of_two_bounds_the_backend_gets_the_one_that_was_held_for(gateway, customer, backend):
    model = until_known(new_model(backend.base_url), gateway)
    assert chat(gateway, customer, model, max_completion_tokens=3, max_tokens=100_000).status_code == 200
    assert backend.last.json["max_tokens"] == 3


def test_a_bound_that_cannot_be_paid_is_refused_with_the_number_that_can(gateway, backend):
    model = until_known(new_model(backend.base_url), gateway)
    customer = new_customer(usd(PROMPT_BOUND * INPUT + 41 * OUTPUT))
    refused = chat(gateway, customer, model, max_tokens=42)
    assert refused.status_code == 402
    error = refused.json()["error"]
    assert error["code"] == "insufficient_credits"
    assert error["param"] == "max_tokens"
    assert "max_tokens up to 41 " in error["message"]
    assert backend.requests == []
    assert customer.inferences == []
    assert chat(gateway, customer, model, max_tokens=41).status_code == 200


def test_a_balance_that_does_not_cover_the_prompt_is_refused(gateway, backend):
    model = until_known(new_model(backend.base_url), gateway)
    refused = chat(gateway, new_customer(usd(PROMPT_BOUND * INPUT - 1)), model)
    assert refused.status_code == 402
    assert refused.json()["error"]["param"] is None


def test_a_cost_above_the_hold_takes_free_credit(gateway, backend):
    model = until_known(new_model(backend.base_url), gateway)
    backend.reply("Hello", prompt_tokens=10, completion_tokens=10_000)
    customer = new_customer("1")
    assert chat(gateway, customer, model, max_tokens=5).status_code == 200
    [row] = customer.settled()
    assert row.cost == row.charged == 10 * INPUT + 10_000 * OUTPUT
    assert customer.balance == 10**9 - row.cost
    assert customer.write_offs == []


@pytest.mark.parametrize("stream", [False, True])
def test_what_no_credit_is_left_for_is_written_off_with_an_alert(gateway, backend, stream):
    model = until_known(new_model(backend.base_url), gateway)
    backend.reply("Hello", prompt_tokens=10, completion_tokens=10_000)
    customer = new_customer(usd(HOLD_OF_5))
    answer = chat(gateway, customer, model, max_tokens=5, stream=stream)
    assert answer.status_code == 200
    [row] = customer.settled()
    assert (row.cost, row.charged) == (10 * INPUT + 10_000 * OUTPUT, HOLD_OF_5)
    assert customer.balance == 0
    assert [write_off.amount for write_off in customer.write_offs] == [row.cost - row.charged]
    assert (
        f"inference {row.id} of account {customer.account_id}: {row.cost - row.charged} of {row.cost} nano-USD written off" in gateway.log()
    )
    assert chat(gateway, customer, model, max_tokens=1).status_code == 402
