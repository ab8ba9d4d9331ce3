"""Promise: staff read payments, refund them, and replay events in the admin site; nothing that was booked can be edited there."""

from __future__ import annotations

import pytest

from apps.billing.models import NoticeKind, Reversal, StripeEvent
from tests.payments.shop import USD, Shop
from tests.staff import staff_client

pytestmark = [pytest.mark.money, pytest.mark.urls("tests.staff")]


def test_a_refund_is_made_in_the_admin_and_never_beyond_what_was_paid(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    client = staff_client()
    assert client.get("/admin/billing/reversal/add/").status_code == 200
    for usd in ("25.01", "0", "-1", "x", "1.001"):
        answer = client.post("/admin/billing/reversal/add/", {"payment": payment.pk, "usd": usd, "note": "sorry"})
        assert b"errorlist" in answer.content
    answer = client.post("/admin/billing/reversal/add/", {"payment": payment.pk, "usd": "10.50", "note": "sorry"})
    assert answer.status_code == 302, answer.content.decode()
    [row] = Reversal.objects.filter(payment=payment)
    assert (row.status, row.note, payer.credit) == ("succeeded", "sorry", 14_500_000_000)
    assert row.requested_by is not None
    assert payer.account.notices.filter(kind=NoticeKind.REFUNDED).count() == 1
    shown = client.get(f"/admin/billing/payment/{payment.pk}/change/").content.decode()
    assert "Visa ending in 4242" in shown
    assert "sorry" in shown
    assert client.post(f"/admin/billing/reversal/{row.pk}/change/", {"note": "x"}).status_code == 403
    assert client.post(f"/admin/billing/payment/{payment.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_event_is_replayed_and_credits_nothing_twice(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment = shop.begin_checkout(payer)
    shop.pay_page(payment)
    shop.flush()
    events = StripeEvent.objects.filter(object_id=payment.session_id)
    StripeEvent.objects.filter(pk__in=events).update(error="it broke")
    client = staff_client()
    data = {"action": "replay", "_selected_action": [event.pk for event in events]}
    assert client.post("/admin/billing/stripeevent/", data, follow=True).status_code == 200
    assert [event.error for event in events.all()] == [""]
    assert payer.credit == 25 * USD


@pytest.mark.parametrize("page", ["payment", "reversal", "stripeevent", "receipt", "debt", "autotopup", "paymentmethod", "notice"])
def test_every_list_opens(shop: Shop, page: str) -> None:
    shop.paid(5)
    client = staff_client()
    assert client.get(f"/admin/billing/{page}/").status_code == 200
    assert b"4242424242424242" not in client.get(f"/admin/billing/{page}/").content
