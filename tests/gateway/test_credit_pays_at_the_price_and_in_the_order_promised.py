"""Trial credit burns first, what a request holds is honoured when its credit expires, and a request pays the price it was admitted at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.billing.expiry import expire_credit
from apps.billing.models import CreditPool, LedgerTransaction, PoolKind, TransactionKind
from apps.catalog.models import Price
from tests.gateway.clients import INPUT, OUTPUT, PROMPT_BOUND, OpenCall, chat, until_known
from tests.gateway.customers import new_customer, new_model
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money

WORDS = ["one ", "two ", "three ", "four ", "five"]
COST = 10 * INPUT + 5 * OUTPUT  # 20,000 nano-USD


@pytest.fixture
def model(gateway, backend):
    backend.reply(chunks=WORDS, prompt_tokens=10)
    return until_known(new_model(backend.base_url), gateway)


def test_trial_credit_burns_before_promotions_before_purchases_and_the_split_shows(gateway, model):
    customer = new_customer("0")
    paid = customer.grant("1", PoolKind.PURCHASED)
    promotion = customer.grant("0.000005", PoolKind.PROMOTION)
    trial = customer.grant("0.000007", PoolKind.TRIAL, expires_at=timezone.now() + timedelta(days=1))
    assert chat(gateway, customer, model).status_code == 200
    [row] = customer.settled()
    assert row.charged == COST
    assert dict(zip(row.paid_pools, row.paid_amounts, strict=True)) == {trial.pk: 7_000, promotion.pk: 5_000, paid.pk: 8_000}
    assert row.paid_pools == [trial.pk, promotion.pk, paid.pk]
    entry = LedgerTransaction.objects.get(pk=row.transaction_id)
    assert (entry.kind, entry.account_id) == (TransactionKind.USAGE, customer.account_id)
    assert customer.postings(trial) == [7_000, -7_000]
    assert customer.postings(promotion) == [5_000, -5_000]
    assert customer.postings(paid) == [10**9, -8_000]


def test_trial_credit_that_expires_in_the_middle_of_a_stream_pays_what_it_held_and_expires_once(gateway, backend, model):
    customer = new_customer("0")
    trial = customer.grant("0.001", PoolKind.TRIAL, expires_at=timezone.now() + timedelta(days=1))
    hold = PROMPT_BOUND * INPUT + 50 * OUTPUT
    gate = backend.gate("before_chunk:2")
    with OpenCall(gateway, customer, model, max_tokens=50) as call:
        call.take(3)
        # Time passes.
        CreditPool.objects.filter(pk=trial.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        expire_credit()
        assert customer.postings(trial) == [1_000_000, -(1_000_000 - hold)]
        assert chat(gateway, customer, model, max_tokens=1).status_code == 402
        gate.release()
        assert call.rest()[-1] == "[DONE]"
    [row] = customer.settled()
    assert (row.charged, row.paid_pools) == (COST, [trial.pk])
    expire_credit()
    expire_credit()
    assert customer.postings(trial) == [1_000_000, -(1_000_000 - hold), -COST, -(hold - COST)]
    trial.refresh_from_db()
    assert (trial.remaining, trial.held) == (0, 0)


def test_a_request_pays_the_price_it_was_admitted_at(gateway, customer, backend, model):
    gate = backend.gate("before_chunk:2")
    with OpenCall(gateway, customer, model) as call:
        call.take(3)
        model.set_price(input="10", output="20")
        dear = Price.objects.filter(model_id=model.id).latest("id")
        gate.release()
        wait_for(lambda: chat(gateway, customer, model).status_code == 200 and customer.inferences[-1].price_id == dear.pk)
        assert call.rest()[-1] == "[DONE]"
        row = customer.inference(call.inference_id)
    assert row.price_id != dear.pk
    assert row.charged == COST
    assert customer.inferences[-1].charged == 10 * COST


def test_costs_are_rounded_up_once_to_a_nano_dollar(gateway, customer, backend):
    model = until_known(new_model(backend.base_url, prices={"input": "0.0375", "output": "0.1001"}), gateway)
    backend.reply(chunks=WORDS, prompt_tokens=1)
    assert chat(gateway, customer, model).status_code == 200
    assert customer.settled()[0].charged == 38 + 500  # 37.5 + 500.5


def test_a_free_model_costs_nothing_and_needs_no_credit(gateway, backend):
    model = new_model(backend.base_url, prices={"input": "0", "output": "0"})
    customer = new_customer("0")
    wait_for(lambda: chat(gateway, customer, model).status_code == 200)
    [row] = customer.settled()
    assert (row.cost, row.charged, row.paid_pools, row.transaction_id) == (0, 0, [], None)
