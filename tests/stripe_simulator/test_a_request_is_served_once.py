"""Idempotency keys, faults and kill -9: whatever breaks, the same key gets the same answer, and the card is charged once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import stripe

from tests.simulator import Simulator
from tests.stripe_simulator.conftest import client_of
from tests.stripe_simulator.shop import charge

PAYMENTS = "/v1/payment_intents"


@pytest.fixture
def card(simulator: Simulator, customer: str) -> str:
    return str(simulator.ask("payment_methods", {"customer": customer})["id"])


def received(simulator: Simulator, customer: str) -> int:
    return int(simulator.books()["customers"].get(customer, {"received": 0})["received"])


def test_the_same_key_gets_the_same_answer(simulator: Simulator, client: stripe.StripeClient, customer: str, card: str) -> None:
    first, again = (charge(client, customer, card, key="same-key") for _ in range(2))
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert received(simulator, customer) == 1000


def test_a_decline_is_repeated_too(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    bad = simulator.ask("payment_methods", {"customer": customer, "number": "4000000000000341"})["id"]
    said = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            charge(client, customer, bad, key="declined-key")
        said.append(caught.value.error.payment_intent.id)
    assert said[0] == said[1]


def test_the_same_key_for_something_else_is_refused(client: stripe.StripeClient, customer: str, card: str) -> None:
    charge(client, customer, card, 1000, key="other-key")
    with pytest.raises(stripe.IdempotencyError) as caught:
        charge(client, customer, card, 2000, key="other-key")
    assert caught.value.http_status == 400


def test_a_key_that_is_in_use_is_refused_until_it_is_done(
    simulator: Simulator, client: stripe.StripeClient, customer: str, card: str
) -> None:
    simulator.fault("slow", PAYMENTS, seconds=2)
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(charge(client, customer, card, key="slow-key").id))
    thread.start()
    while simulator.ask("faults"):  # taken by the slow one
        continue
    with pytest.raises(stripe.StripeError) as caught:
        charge(client_of(simulator), customer, card, key="slow-key")
    assert caught.value.http_status == 409
    thread.join()
    assert charge(client, customer, card, key="slow-key").id == done[0]
    assert received(simulator, customer) == 1000


def test_a_malformed_request_is_not_remembered(simulator: Simulator, client: stripe.StripeClient, customer: str, card: str) -> None:
    for wrong in ({"amount": 10}, {"colour": "red"}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            charge(client, customer, card, key="fixed-key", **wrong)
        assert caught.value.param == next(iter(wrong))
    assert charge(client, customer, card, key="fixed-key").status == "succeeded"


@pytest.mark.parametrize(("kind", "error"), [("timeout_after", stripe.APIConnectionError), ("500_after", stripe.APIError)])
def test_what_was_done_before_the_answer_was_lost_is_done_once(
    simulator: Simulator, client: stripe.StripeClient, customer: str, card: str, kind: str, error: type[Exception]
) -> None:
    simulator.fault(kind, PAYMENTS, seconds=0)
    with pytest.raises(error):
        charge(client, customer, card, key=kind)
    assert received(simulator, customer) == 1000
    assert charge(client, customer, card, key=kind).status == "succeeded"
    assert received(simulator, customer) == 1000


@pytest.mark.parametrize("kind", ["timeout_before", "500_before", "429_before"])
def test_what_was_not_done_may_be_tried_again(
    simulator: Simulator, client: stripe.StripeClient, customer: str, card: str, kind: str
) -> None:
    simulator.fault(kind, PAYMENTS, seconds=0)
    with pytest.raises(stripe.StripeError):
        charge(client, customer, card, key=f"{kind}-key")
    assert received(simulator, customer) == 0
    assert charge(client, customer, card, key=f"{kind}-key").status == "succeeded"


def test_a_broken_answer_can_be_what_is_remembered(simulator: Simulator, client: stripe.StripeClient, customer: str, card: str) -> None:
    """Then only a look at what there is tells: by listing, or by the metadata."""
    simulator.fault("500_saved", PAYMENTS)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            charge(client, customer, card, key="broken-key", metadata={"attempt": "broken"})
    found = client.v1.payment_intents.search({"query": f"metadata['attempt']:'broken' AND customer:'{customer}'"}).data
    assert [intent.status for intent in found] == ["succeeded"]
    assert received(simulator, customer) == 1000


@pytest.mark.parametrize(("kind", "done"), [("die_before", 0), ("die_after", 1000)])
def test_state_survives_a_kill(simulator: Simulator, client: stripe.StripeClient, customer: str, card: str, kind: str, done: int) -> None:
    simulator.fault(kind, PAYMENTS)
    with pytest.raises(stripe.APIConnectionError):
        charge(client, customer, card, key=f"{kind}-{customer}")
    simulator.restart_if_dead()
    assert received(simulator, customer) == done
    assert charge(client, customer, card, key=f"{kind}-{customer}").status == "succeeded"
    assert received(simulator, customer) == 1000


def test_the_wrong_key_opens_nothing(simulator: Simulator) -> None:
    for key in ("sk_test_wrong", "sk_live_simulated"):
        with pytest.raises(stripe.AuthenticationError):
            client_of(simulator, key).v1.customers.list()
