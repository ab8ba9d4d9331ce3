"""Every object that the simulator sends, in every state, has the fields and types that the stripe package declares for it."""

from __future__ import annotations

import json
import urllib.request
from contextlib import suppress
from typing import Any

import stripe

from apps.stripe_simulator.shapes import API_VERSION
from tests.simulator import SECRET_KEY, Simulator
from tests.stripe_simulator.shapes import CLASSES, complaints
from tests.stripe_simulator.shop import charge, pay_session, setup_session


def test_every_object_in_every_state(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    live_through_everything(simulator, client, customer)
    seen: dict[str, int] = {}
    for event in everything(simulator, "events"):
        item = event["data"]["object"]
        seen[item["object"]] = seen.get(item["object"], 0) + 1
        assert list(complaints(item, CLASSES[item["object"]], event["type"])) == []
        assert list(complaints(event | {"data": {"object": {}}}, stripe.Event, event["type"])) == []
    for kind in ("checkout/sessions", "setup_intents", "payment_intents", "refunds", "disputes"):
        for item in everything(simulator, kind):
            seen[item["object"]] = seen.get(item["object"], 0) + 1
            assert list(complaints(item, CLASSES[item["object"]], item["id"])) == []
    assert seen.keys() == CLASSES.keys() - {"event", "item"}


def test_expanded_objects_too(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    session = pay_session(client, customer)
    simulator.pay(session.id)
    expand = "expand[]=payment_intent.latest_charge.refunds&expand[]=payment_intent.payment_method&expand[]=customer&expand[]=line_items"
    answer = get(simulator, f"checkout/sessions/{session.id}?{expand}")
    assert list(complaints(answer, stripe.checkout.Session, "session")) == []
    assert answer["payment_intent"]["latest_charge"]["refunds"]["data"] == []
    assert answer["customer"]["email"] == "payer@example.com"
    assert answer["line_items"]["data"][0]["amount_total"] == 2500


def test_the_checker_complains() -> None:
    """About what is missing, unknown, and of another type; and about what stands deeper."""
    good = {"id": "re_1", "object": "refund", "amount": 5, "created": 1, "currency": "usd"}
    assert list(complaints(good, stripe.Refund, "r")) == []
    assert (
        len(
            list(
                complaints(
                    good | {"amount": "5", "colour": "red"} | {"destination_details": {"card": {}, "type": "card"}}, stripe.Refund, "r"
                )
            )
        )
        == 3
    )
    del good["currency"]
    assert list(complaints(good, stripe.Refund, "r")) == ["r.currency: missing"]


def test_the_version_of_the_api_is_that_of_the_package() -> None:
    assert stripe.api_version == API_VERSION


def live_through_everything(simulator: Simulator, client: stripe.StripeClient, customer: str) -> None:
    """Bring every kind of object into every state that it can have."""
    for number in ("4242424242424242", "4000002760003184", "4000000000000002", "4000008400001629", "4000000000000259"):
        for session in (pay_session(client, customer), setup_session(client, customer)):
            with suppress(AssertionError):  # declined
                simulator.pay(session.id, number, authenticate=True)
    client.v1.checkout.sessions.expire(pay_session(client, customer).id)
    waiting = pay_session(client, customer)
    simulator.pay(waiting.id, "4000002760003184")
    card = simulator.ask("payment_methods", {"customer": customer})
    paid = charge(client, customer, card["id"], metadata={"attempt": "1"})
    client.v1.refunds.create({"payment_intent": paid.id, "amount": 100, "reason": "requested_by_customer"})
    for number in ("4000000000005126", "4000000000007726"):
        kept = simulator.ask("payment_methods", {"customer": customer, "number": number})
        refund = client.v1.refunds.create({"payment_intent": charge(client, customer, kept["id"]).id})
        if number.endswith("7726"):
            simulator.ask("refunds/end", {"refund": refund.id, "status": "succeeded"})
    for status in ("won", "lost"):
        dispute = simulator.ask("disputes", {"charge": charge(client, customer, card["id"]).latest_charge})
        simulator.ask("disputes/close", {"dispute": dispute["id"], "status": status})
    asked = simulator.ask("payment_methods", {"customer": customer, "number": "4000002760003184"})
    with suppress(stripe.CardError):
        charge(client, customer, asked["id"])
    plain = client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "customer": customer,
            "payment_method": asked["id"],
            "automatic_payment_methods": {"enabled": True},
        }
    )
    client.v1.payment_intents.confirm(plain.id, {"return_url": "http://shop.test/back"})
    client.v1.payment_intents.cancel(plain.id, {"cancellation_reason": "abandoned"})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card["id"]}, "address": {"city": "Paris"}})
    client.v1.payment_methods.detach(card["id"])
    client.v1.customers.delete(client.v1.customers.create().id)


def everything(simulator: Simulator, kind: str) -> list[Any]:
    found: list[Any] = []
    more = True
    while more:
        page = get(simulator, f"{kind}?limit=100" + (f"&starting_after={found[-1]['id']}" if found else ""))
        found, more = found + page["data"], page["has_more"]
    return found


def get(simulator: Simulator, path: str) -> Any:
    request = urllib.request.Request(f"{simulator.address}/v1/{path}", headers={"Authorization": f"Bearer {SECRET_KEY}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
