"""Promise: whatever is lost between Stripe and us, the reconciler finds it; what it cannot mend it reports."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command

from apps.billing import stripe_client
from apps.billing.models import CreditPool, Payment, Receipt
from apps.billing.reconciler import Report, reconcile
from apps.core.ids import uuid7
from tests.payments.shop import USD, Shop

pytestmark = pytest.mark.money


@pytest.fixture
def look() -> Callable[[], Report]:
    """Compares what happened since the test began: the books of the other tests are long."""
    began = time.monotonic()
    return lambda: reconcile(timedelta(seconds=time.monotonic() - began + 5))


def about(lines: list[str], *things: object) -> list[str]:
    """Other tests leave behind what cannot be mended."""
    return [line for line in lines if any(str(thing) in line for thing in things)]


def test_what_no_webhook_told_is_found_and_the_second_run_finds_nothing(shop: Shop, look: Callable[[], Report]) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment = shop.begin_checkout(payer, 40)
    shop.pay_page(payment)
    saved = shop.paid(30)
    shop.refund_at_stripe(saved[1], 1000)
    dispute = shop.dispute(saved[1], 2000)
    shop.simulator.ask("webhooks/drop", {})
    ours = (payment.pk, payment.session_id, saved[1].pk, saved[1].intent_id, dispute)
    report = look()
    assert (payer.credit, saved[0].credit) == (40 * USD, 0)
    assert len(about(report.repaired, payment.pk, dispute)) == 2
    assert about(report.drift, *ours) == []
    again = look()
    assert about([*again.repaired, *again.drift], *ours) == []
    shop.close_dispute(dispute, "won")
    assert about(look().drift, *ours) == []
    assert saved[0].credit == shop.net(saved[0]) == 20 * USD


def test_an_attempt_that_nobody_remembers_is_found_by_its_metadata(shop: Shop, look: Callable[[], Report]) -> None:
    """The answer was lost with the process that waited for it, and so was the idempotency key a day later."""
    payer, payment = shop.paid(25)
    lost = Payment.objects.create(
        account=payer.account,
        purpose=payment.purpose,
        amount=12 * USD,
        livemode=False,
        customer=payment.customer,
        payment_method=payer.card,
    )
    made = stripe_client.create_intent(lost.pk, str(uuid7()), payment.customer, payer.card.stripe_id, 1200)
    stripe_client.confirm_intent(made.id, "")
    assert about(look().drift, lost.pk, payment.pk) == []
    assert payer.credit == 37 * USD


def test_what_cannot_be_mended_is_reported(shop: Shop, look: Callable[[], Report]) -> None:
    payer, payment = shop.paid(25)
    twice = stripe_client.create_intent(payment.pk, str(uuid7()), payment.customer, payer.card.stripe_id, 2500)
    stripe_client.confirm_intent(twice.id, "")
    stranger_id = uuid7()
    stranger = stripe_client.create_intent(stranger_id, str(uuid7()), payment.customer, payer.card.stripe_id, 700)
    stripe_client.confirm_intent(stranger.id, "")
    report = look()
    assert not report.ok
    assert len(about(report.drift, payment.pk, stranger_id)) == 2
    answer = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("reconcile_payments", "--json", stdout=answer)
    told = json.loads(answer.getvalue())
    assert told["ok"] is False
    assert len(about(told["drift"], payment.pk, stranger_id)) == 2
    assert payer.credit == 25 * USD
    Payment.objects.filter(pk=payment.pk).update(amount=26 * USD)
    assert any("the ledger has" in line for line in about(look().drift, payment.pk))
    Payment.objects.filter(pk=payment.pk).update(amount=25 * USD)


def test_receipts_are_numbered_without_gaps_whoever_is_credited_at_once(shop: Shop) -> None:
    payers = [shop.paid(5)[0] for _ in range(3)]
    numbers = list(Receipt.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert CreditPool.objects.filter(account__in=[payer.account for payer in payers]).count() == 3
