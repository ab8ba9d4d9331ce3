"""Promise: nothing is credited that Stripe did not sign, or that is not what was asked for (acceptance 23)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings

from apps.billing import debts, events, payments, stripe_client, tasks, topups
from apps.billing.errors import Mismatch
from apps.billing.models import Payment, PaymentStatus, StripeEvent
from apps.billing.topups import start_checkout
from apps.core.ids import uuid7
from tests.payments.shop import USD, Payer, Shop
from tests.simulator import WEBHOOK_SECRET

pytestmark = pytest.mark.money


def event_of(object_id: str, **fields: Any) -> bytes:
    body = {
        "id": f"evt_{uuid7().hex}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "created": int(time.time()),
    }
    return json.dumps({**body, "data": {"object": {"id": object_id, "object": "payment_intent"}}, **fields}).encode()


def send(shop: Shop, body: bytes, *, secret: str = WEBHOOK_SECRET, age_s: int = 0, signature: str | None = None) -> int:
    at = int(time.time()) - age_s
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
    headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={signed}" if signature is None else signature}
    request = urllib.request.Request(f"{shop.web}/stripe/webhook/", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def paid_and_not_told(shop: Shop) -> tuple[Payer, Payment]:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    shop.pay_page(payment)
    shop.simulator.ask("webhooks/drop", {})
    intent_id = stripe_client.session(payment.session_id or "").intent_id
    Payment.objects.filter(pk=payment.pk).update(intent_id=intent_id)
    payment.refresh_from_db()
    return payer, payment


def test_a_bad_signature_a_stale_one_the_other_mode_and_nonsense_are_refused(shop: Shop) -> None:
    payer, payment = paid_and_not_told(shop)
    body = event_of(payment.intent_id or "")
    assert send(shop, body, secret="whsec_guessed") == 400
    assert send(shop, body, signature="") == 400
    assert send(shop, body, signature="t=1,v1=0") == 400
    assert send(shop, body, age_s=400) == 400
    assert send(shop, event_of(payment.intent_id or "", livemode=True)) == 400
    assert send(shop, b"{}") == 400
    assert send(shop, b"not JSON") == 400
    assert send(shop, b"x" * 1_000_001) == 413
    with override_settings(STRIPE_WEBHOOK_SECRET=""):
        assert send(shop, body, secret="") == 400
    with override_settings(STRIPE_SECRET_KEY=""):
        assert send(shop, body) == 404
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"{shop.web}/stripe/webhook", timeout=60)
    assert not StripeEvent.objects.filter(object_id=payment.intent_id).exists()
    assert payer.credit == 0
    assert send(shop, body) == 200
    assert payer.credit == 25 * USD


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("amount", {"amount": 2600 * 10**7}),
        ("customer", {"customer": "cus_somebody_else"}),
        ("livemode", {"livemode": True}),
    ],
)
def test_another_amount_customer_or_mode_is_not_credited(shop: Shop, what: str, change: dict[str, Any]) -> None:
    payer, payment = paid_and_not_told(shop)
    Payment.objects.filter(pk=payment.pk).update(**change)
    with pytest.raises(Mismatch, match=what):
        payments.credit_payment(payment.pk)
    payment.refresh_from_db()
    assert (payer.credit, payment.pool_id) == (0, None)
    assert what in payment.trouble
    original = {"amount": 25 * USD, "customer": payer.registered.account.customer.stripe_id, "livemode": False}
    Payment.objects.filter(pk=payment.pk).update(**original)
    assert payments.credit_payment(payment.pk).trouble == ""


def test_another_currency_is_not_credited(shop: Shop) -> None:
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    euros = stripe_client._client().v1.payment_intents.create(
        {
            "amount": 2500,
            "currency": "eur",
            "customer": payment.customer,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": shop.web,
            "metadata": {"attempt": str(payment.pk)},
        }
    )
    with pytest.raises(Mismatch, match="currency"):
        payments.settle_intent(stripe_client.intent(euros.id))
    assert payer.credit == 0


def test_a_payment_that_was_not_paid_is_not_credited(shop: Shop) -> None:
    payer = shop.payer("4000002760003184")
    payment = shop.pay_with_card(payer)
    with pytest.raises(Mismatch, match="requires_action"):
        payments.credit_payment(payment.pk)
    assert payer.credit == 0


def test_money_that_carries_the_id_of_a_payment_that_has_its_own_is_not_credited(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    second = stripe_client.create_intent(payment.pk, str(uuid7()), payment.customer, payer.card.stripe_id, 2500)
    stripe_client.confirm_intent(second.id, "")
    with pytest.raises(Mismatch, match="second intent"):
        payments.settle_intent(stripe_client.intent(second.id))
    assert payer.credit == 25 * USD


def test_what_is_not_ours_is_left_alone(shop: Shop) -> None:
    payer = shop.payer("4242424242424242")
    customer = payer.account.customer.stripe_id
    made = stripe_client._client().v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "customer": customer,
            "payment_method": payer.card.stripe_id,
            "confirm": True,
            "off_session": True,
        }
    )
    assert payments.settle_intent(stripe_client.intent(made.id)) is None
    assert send(shop, event_of(made.id)) == 200
    assert send(shop, event_of("pi_unknown")) == 200
    assert send(shop, event_of("cus_x", type="customer.updated")) == 200
    assert payer.credit == 0


def test_an_event_is_tried_again_while_stripe_is_away_and_staff_can_replay_it(shop: Shop) -> None:
    payer, payment = paid_and_not_told(shop)
    shop.simulator.fault("500_before", "/v1/payment_intents/.*", method="GET", times=2)
    assert send(shop, event_of(payment.intent_id or "")) == 200
    [event] = StripeEvent.objects.filter(object_id=payment.intent_id)
    assert (event.processed_at, event.attempts, payer.credit) == (None, 1, 0)
    assert "StripeBroke" in event.error
    assert event.next_try_at > event.received_at  # not at once
    StripeEvent.objects.filter(pk=event.pk).update(next_try_at=event.received_at)
    events.process_waiting()
    assert payer.credit == 25 * USD
    assert events.replay(event.pk).processed_at is not None
    assert payer.credit == 25 * USD


def test_what_one_event_says_holds_up_no_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payment Links of the same Stripe account let strangers choose a session's reference."""
    payer, payment = paid_and_not_told(shop)
    made = stripe_client._client().v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "client_reference_id": "order-17", "success_url": "https://shop.example/"}
    )
    foreign, ours = (f"evt_{uuid7().hex}" for _ in range(2))
    StripeEvent.objects.create(id=foreign, type="checkout.session.completed", object_id=made.id, created_at=payment.created_at)
    StripeEvent.objects.create(id=ours, type="payment_intent.succeeded", object_id=payment.intent_id, created_at=payment.created_at)
    assert events.process(foreign)
    assert StripeEvent.objects.get(pk=foreign).processed_at is not None
    monkeypatch.setitem(events.HANDLERS, "checkout.session.", lambda _: 1 // 0)
    StripeEvent.objects.filter(pk=foreign).update(processed_at=None)
    assert events.process(foreign)
    assert "ZeroDivisionError" in StripeEvent.objects.get(pk=foreign).error
    monkeypatch.setattr(debts, "collect_all", lambda: 1 // 0)
    StripeEvent.objects.filter(pk=ours).update(next_try_at=payment.created_at)
    tasks.go_on()
    assert payer.credit == 25 * USD


def test_whoever_comes_back_while_stripe_is_away_is_not_asked_to_pay_again(shop: Shop) -> None:
    payer = shop.payer()
    shop.webhooks(paused=True)
    payment = shop.begin_checkout(payer)
    assert topups.look_again(payer.account, payment.pk).action_url
    shop.pay_page(payment)
    shop.simulator.fault("500_before", "/v1/checkout/sessions/.*", method="GET", times=2)  # the library asks twice
    seen = topups.look_again(payer.account, payment.pk)
    assert (seen.status, seen.action_url) == (PaymentStatus.OPEN, "")
    assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED


def test_a_payment_needs_its_limits(shop: Shop) -> None:
    """What the page checks is checked where the payment is made, too."""
    payer = shop.payer()
    for amount in (4_990_000_000, 1_001 * USD, 25 * USD + 1, 0, -5 * USD):
        with pytest.raises(ValidationError):
            start_checkout(payer.account, amount, attempt=uuid7(), return_url=shop.web, cancel_url=shop.web, save_card=False)
    assert payer.payments == []
