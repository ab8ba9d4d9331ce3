"""Promise: what was paid is credited once, whoever tells us first and however often (acceptance 21, 22, 25)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.billing import payments, topups
from apps.billing.errors import Refused, SentBefore, StripeUnavailable
from apps.billing.models import Customer, LedgerTransaction, Payment, PaymentMethod, PaymentStatus, TransactionKind
from apps.core.ids import uuid7
from tests.payments.shop import ASKS_ALWAYS, USD, VISA, Shop, at_once, wait_until

pytestmark = pytest.mark.money


def test_a_saved_card_pays_at_once(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    assert (payment.status, payer.credit) == (PaymentStatus.SUCCEEDED, 25 * USD)
    assert payment.paid_with == "Visa ending in 4242"
    assert shop.net(payer) == 25 * USD


def test_stripes_page_pays_and_the_webhook_credits(shop: Shop) -> None:
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    assert payment.action_url.startswith(shop.simulator.address)
    shop.pay_page(payment)
    wait_until(lambda: payer.credit == 25 * USD)


def test_the_same_event_fifty_times_at_once_is_one_credit(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    shop.pay_page(shop.begin_checkout(payer))
    sent = shop.flush(copies=50)
    assert {status for one in sent for status in one["statuses"]} <= {
        200,
        0,
    }  # 0: a busy machine had no answer within the sender's patience
    wait_until(lambda: payer.credit == 25 * USD)
    assert LedgerTransaction.objects.filter(account=payer.account, kind=TransactionKind.PURCHASE).count() == 1


@pytest.mark.parametrize("order", ["created", "reversed"])
@pytest.mark.parametrize("back_first", [False, True])
def test_events_in_either_order_and_the_browser_before_or_after_are_one_credit(shop: Shop, order: str, back_first: bool) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    shop.pay_page(payment)
    if back_first:
        assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED
    shop.flush(order)
    assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED
    assert payer.credit == 25 * USD


def test_webhook_return_page_and_sweep_at_the_same_moment_are_one_credit(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    shop.pay_page(payment)
    account = payer.account
    page = [lambda: topups.look_again(account, payment.pk)] * 8
    at_once([*page, *[lambda: payments.advance(payment.pk)] * 8, lambda: shop.flush(copies=4)])
    assert payer.credit == 25 * USD


def test_a_form_that_is_sent_twice_is_one_payment(shop: Shop) -> None:
    payer, attempt = shop.payer("4242424242424242"), uuid7()
    at_once([lambda: shop.pay_with_card(payer, attempt=attempt)] * 6)
    wait_until(lambda: payments.advance(attempt).status == PaymentStatus.SUCCEEDED)
    assert (payer.credit, shop.net(payer)) == (25 * USD, 25 * USD)


@pytest.mark.parametrize("kind", ["timeout_after", "timeout_before", "500_after", "500_before", "500_saved", "429_before"])
@pytest.mark.parametrize("path", ["/v1/payment_intents", "/v1/payment_intents/[^/]+/confirm"])
def test_a_provider_that_breaks_before_or_after_it_charged_is_one_charge_and_one_credit(shop: Shop, kind: str, path: str) -> None:
    payer, attempt = shop.payer("4242424242424242"), uuid7()
    shop.simulator.fault(kind, path, times=2, seconds=0.1)
    payment = shop.pay_with_card(payer, attempt=attempt)
    while payment.status == PaymentStatus.OPEN:
        payment = topups.look_again(payer.account, attempt)
    assert payment.status == PaymentStatus.SUCCEEDED
    assert (payer.credit, shop.net(payer)) == (25 * USD, 25 * USD)


def test_a_payment_that_the_bank_wants_confirmed_is_credited_when_it_was(shop: Shop) -> None:
    payer = shop.payer(ASKS_ALWAYS)
    payment = shop.pay_with_card(payer)
    assert (payment.status, payer.credit) == (PaymentStatus.OPEN, 0)
    assert "/3ds/" in payment.action_url
    shop.simulator.ask("authenticate", {"intent": payment.intent_id, "passed": True})
    assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED
    assert payer.credit == 25 * USD


@pytest.mark.parametrize("asked", ["a payment method", "the payment"])
def test_a_card_that_was_to_be_kept_is_kept_although_stripe_went_away(shop: Shop, asked: str) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment = shop.begin_checkout(payer, save_card=True)
    shop.pay_page(payment)
    shop.simulator.fault("500_before", "/v1/payment_methods/[^/]+", method="GET", times=2)
    assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED
    cards = PaymentMethod.objects.filter(account=payer.account)
    assert not cards.exists()
    Payment.objects.filter(pk=payment.pk).update(next_check_at=Now())
    if asked == "the payment":
        shop.simulator.fault("500_before", "/v1/payment_intents/[^/]+", method="GET", times=2)
        payments.keep_cards()
        assert not cards.exists()
        Payment.objects.filter(pk=payment.pk).update(next_check_at=Now())
    payments.keep_cards()
    assert [card.last4 for card in cards] == ["4242"]
    Payment.objects.filter(pk=payment.pk).update(next_check_at=Now())
    assert payments.keep_cards() == 0


def test_a_customer_that_stripe_does_not_know_any_more_is_made_anew(shop: Shop) -> None:
    payer = shop.payer(VISA)
    for begin in (shop.begin_checkout, shop.begin_setup):
        gone = f"cus_gone{uuid7().hex}"
        Customer.objects.filter(account=payer.account).update(stripe_id=gone)
        begin(payer)
        assert payer.account.customer.stripe_id != gone
    shop.webhooks(paused=True)
    payment = shop.begin_checkout(payer, 30)
    shop.pay_page(payment)
    assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED


def test_what_stripe_refuses_is_said_in_words(shop: Shop) -> None:
    payer = shop.payer(VISA)
    with pytest.raises(Refused, match="nothing was charged"):
        topups.start_checkout(payer.account, 25 * USD, attempt=uuid7(), return_url="nowhere", cancel_url="nowhere", save_card=False)


def test_a_page_that_is_asked_for_again_after_a_while_is_made(shop: Shop) -> None:
    payer, attempt = shop.payer(), uuid7()
    shop.simulator.fault("500_before", "/v1/checkout/sessions", times=2)
    with pytest.raises(StripeUnavailable):
        shop.begin_checkout(payer, attempt=attempt)
    Payment.objects.filter(pk=attempt).update(created_at=Now() - timedelta(minutes=35))
    assert shop.begin_checkout(payer, attempt=attempt).action_url
    Payment.objects.filter(pk=attempt).update(created_at=Now() - timedelta(minutes=95), session_id=None, action_url="")
    assert shop.begin_checkout(payer, attempt=attempt).session_id  # found again, and not made twice


def test_a_form_that_comes_again_with_another_card_is_refused(shop: Shop) -> None:
    payer, attempt = shop.payer(VISA), uuid7()
    other = shop.save_card(payer, "5555555555554444")
    shop.simulator.fault("500_before", "/v1/payment_intents", times=2)
    assert shop.pay_with_card(payer, attempt=attempt).status == PaymentStatus.OPEN
    with pytest.raises(SentBefore, match="begun with this form already"):
        topups.pay_with_card(payer.account, 25 * USD, card_id=other.pk, attempt=attempt, return_url=shop.web)
    assert topups.look_again(payer.account, attempt).status == PaymentStatus.SUCCEEDED
