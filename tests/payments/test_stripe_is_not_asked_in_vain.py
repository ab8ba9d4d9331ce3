"""Promise: a customer who asks for the state of a payment over and over asks us, and Stripe only so often; others pay meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client

from apps.billing import topups
from apps.billing.models import Payment, PaymentStatus
from apps.dashboard import payments
from tests.dashboard.browsing import logged_in
from tests.payments.shop import Shop

pytestmark = pytest.mark.money


def test_a_page_that_is_asked_for_again_and_again_asks_stripe_sixty_times_a_minute(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.webhooks(paused=True)
    payer, other = shop.payer(), shop.payer()
    payment, others = shop.begin_checkout(payer), shop.begin_checkout(other)
    asked: list[int] = []

    def counted(account: object, attempt: object) -> Payment:
        asked.append(1)
        return Payment.objects.get(pk=attempt)

    def states(client: Client, attempt: Payment, times: int) -> set[int]:
        return {client.get(f"/settings/billing/top-up/{attempt.pk}").status_code for _ in range(times)}

    with monkeypatch.context() as patched:
        patched.setattr(payments, "time", SimpleNamespace(time=lambda: 1_800_000_000.0))  # all within one minute
        patched.setattr(topups, "look_again", counted)
        assert states(logged_in(payer.registered.user), payment, payments.LOOKS_PER_MINUTE + 20) == {200}
        assert len(asked) == payments.LOOKS_PER_MINUTE
        assert states(logged_in(other.registered.user), others, 1) == {200}
        assert len(asked) == payments.LOOKS_PER_MINUTE + 1
    shop.pay_page(payment)
    assert "is on your account" in logged_in(payer.registered.user).get(f"/settings/billing/top-up/{payment.pk}").text
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.SUCCEEDED
