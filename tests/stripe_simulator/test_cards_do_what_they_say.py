"""Checkout, 3-D Secure, declines, payments without the customer, refunds and disputes, as Stripe's test cards are documented."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from html import unescape
from typing import Any

import pytest
import stripe

from tests.simulator import Simulator
from tests.stripe_simulator.shop import charge, pay_session, setup_session

CARD = {"email": "payer@example.com", "expiry": "12/34", "cvc": "123", "name": "P. Ayer"}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Visitor:
    """A browser without script. `location` is where the last answer led."""

    def __init__(self) -> None:
        self.opener = urllib.request.build_opener(NoRedirect)

    def go(self, url: str, **form: str) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            answer: Any = self.opener.open(url, data, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.status, self.headers = answer.status, answer.headers
            self.location = urllib.parse.urljoin(url, answer.headers.get("location", ""))
            return unescape(answer.read().decode())


def test_paying_on_the_page(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    session, visitor = pay_session(client, customer, payment_intent_data={"metadata": {"attempt": "7"}}), Visitor()
    assert "Pay $25.00" in visitor.go(session.url or "")
    assert "'unsafe-inline'" not in visitor.headers["content-security-policy"]
    assert "form-action 'self' http://shop.test" in visitor.headers["content-security-policy"]
    page = visitor.go(session.url or "", **CARD, number="4242 4242 4242 4242")
    assert (visitor.status, page) == (303, "")
    assert visitor.location == f"http://shop.test/done?s={session.id}"
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (done.status, done.payment_status) == ("complete", "paid")
    intent = done.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.amount_received, intent.metadata["attempt"]) == ("succeeded", 2500, "7")
    visitor.go(session.url or "", **CARD, number="4242424242424242")
    assert simulator.books()["customers"][customer]["received"] == 2500


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("4000000000000002", "Your card was declined."),
        ("4000000000009995", "Your card has insufficient funds."),
        ("4242424242424241", "Your card number is invalid."),
        ("4111111111111111", "used a non test card"),
    ],
)
def test_a_card_that_is_refused(client: stripe.StripeClient, customer: str, number: str, text: str) -> None:
    session, visitor = pay_session(client, customer), Visitor()
    page = visitor.go(session.url or "", **CARD, number=number)
    assert (visitor.status, text in page) == (402, True)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    visitor.go(session.url or "", **CARD, number="4242424242424242")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


@pytest.mark.parametrize(("number", "outcome", "status"), [("4000002760003184", "complete", "complete"), ("4000002760003184", "fail", "open"), ("4000008400001629", "complete", "open")])  # fmt: skip
def test_three_d_secure_on_the_page(client: stripe.StripeClient, customer: str, number: str, outcome: str, status: str) -> None:
    session, visitor = pay_session(client, customer), Visitor()
    visitor.go(session.url or "", **CARD, number=number)
    assert "/3ds/" in visitor.location
    bank = visitor.location
    assert "Your bank asks" in visitor.go(bank)
    visitor.go(bank, outcome=outcome)
    assert client.v1.checkout.sessions.retrieve(session.id).status == status
    if status == "open":
        assert 'role="alert"' in visitor.go(session.url or "")


def test_a_saved_card_pays_without_its_owner(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    saved = simulator.pay(setup_session(client, customer).id, "4000002500003155", authenticate=True)
    assert saved["status"] == "complete"
    [card] = client.v1.customers.payment_methods.list(customer).data
    assert card.card is not None
    assert (card.card.last4, card.card.brand) == ("3155", "visa")
    assert charge(client, customer, card.id).status == "succeeded"


def test_a_card_that_always_asks_fails_without_its_owner(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    card = simulator.ask("payment_methods", {"customer": customer, "number": "4000002760003184"})["id"]
    with pytest.raises(stripe.CardError) as caught:
        charge(client, customer, card)
    assert caught.value.code == "authentication_required"
    intent = client.v1.payment_intents.retrieve(caught.value.error.payment_intent.id)
    assert (intent.status, intent.amount_received) == ("requires_payment_method", 0)
    again = client.v1.payment_intents.confirm(intent.id, {"payment_method": card, "return_url": "http://shop.test/back"})
    action = again.next_action
    assert again.status == "requires_action"
    assert action is not None
    assert action.redirect_to_url is not None
    visitor = Visitor()
    visitor.go(action.redirect_to_url.url or "", outcome="complete")
    assert re.match(
        r"http://shop.test/back\?payment_intent=pi_\w+&payment_intent_client_secret=\w+&redirect_status=succeeded", visitor.location
    )
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_the_same_card_has_the_same_fingerprint_with_everybody(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    prints = set()
    for other in (customer, client.v1.customers.create().id):
        prints.add(simulator.ask("payment_methods", {"customer": other, "number": "5555555555554444"})["card"]["fingerprint"])
    assert len(prints) == 1
    assert simulator.ask("payment_methods", {"customer": customer})["card"]["fingerprint"] not in prints


def test_a_detached_card_pays_nothing(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    card = simulator.ask("payment_methods", {"customer": customer})["id"]
    client.v1.payment_methods.detach(card)
    with pytest.raises(stripe.InvalidRequestError):
        charge(client, customer, card)
    assert client.v1.customers.payment_methods.list(customer).data == []


def test_refunds_never_exceed_what_was_paid(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    card = simulator.ask("payment_methods", {"customer": customer})["id"]
    paid = charge(client, customer, card)
    client.v1.refunds.create({"payment_intent": paid.id, "amount": 300})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 701})
    client.v1.refunds.create({"payment_intent": paid.id})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 1})
    assert simulator.books()["customers"][customer]["net"] == 0


def test_a_refund_that_fails_comes_back(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    card = simulator.ask("payment_methods", {"customer": customer, "number": "4000000000005126"})["id"]
    refund = client.v1.refunds.create({"payment_intent": charge(client, customer, card).id, "amount": 400})
    assert refund.status == "failed"
    assert simulator.books()["customers"][customer] == {"received": 1000, "refunded": 0, "disputed": 0, "net": 1000}


def test_disputes_take_and_give_back(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    card = simulator.ask("payment_methods", {"customer": customer})["id"]
    paid = charge(client, customer, card)
    dispute = simulator.ask("disputes", {"charge": paid.latest_charge, "amount": 600})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": paid.id})
    assert simulator.books()["customers"][customer]["net"] == 400
    simulator.ask("disputes/close", {"dispute": dispute["id"], "status": "won"})
    assert simulator.books()["customers"][customer]["net"] == 1000


def test_lists_come_in_pages_and_by_time(client: stripe.StripeClient, customer: str) -> None:
    made = [client.v1.payment_intents.create({"amount": 100 + number, "currency": "usd", "customer": customer}).id for number in range(5)]
    listed = client.v1.payment_intents.list({"customer": customer, "limit": 2})
    assert ([each.id for each in listed.data], listed.has_more) == ([made[4], made[3]], True)
    assert [each.id for each in listed.auto_paging_iter()] == made[::-1]
    newest = client.v1.payment_intents.retrieve(made[4]).created
    assert client.v1.payment_intents.list({"customer": customer, "created": {"gt": newest}}).data == []
    assert len(client.v1.payment_intents.list({"customer": customer, "created": {"gte": newest - 60, "lte": newest}}).data) == 5
