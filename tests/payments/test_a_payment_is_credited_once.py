"""Promise: what was paid is credited once, whoever tells us first and however often (acceptance 21, 22, 25)."""

from __future__ import annotations

import pytest

from apps.billing import payments, topups
from apps.billing.models import LedgerTransaction, PaymentStatus, TransactionKind
from apps.core.ids import uuid7
from tests.payments.shop import ASKS_ALWAYS, USD, Shop, at_once, wait_until

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
