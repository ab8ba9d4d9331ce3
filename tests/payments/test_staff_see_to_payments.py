"""Promise: staff read payments, refund them, and replay events in the admin site; nothing that was booked can be edited there."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from apps.audit.models import Entry
from apps.billing.models import NoticeKind, Reversal, StripeEvent
from apps.core.ids import uuid7
from tests.payments.shop import USD, Shop
from tests.staff import staff_client

pytestmark = [pytest.mark.money, pytest.mark.urls("tests.staff")]


def test_a_refund_is_made_in_the_admin_and_never_beyond_what_was_paid(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    client = staff_client()
    assert client.get("/admin/billing/reversal/add/").status_code == 200
    for usd in ("25.01", "0", "-1", "x", "1.001"):
        answer = client.post("/admin/billing/reversal/add/", {"token": uuid7(), "payment": payment.pk, "usd": usd, "note": "sorry"})
        assert b"errorlist" in answer.content
    data = {"token": uuid7(), "payment": payment.pk, "usd": "10.50", "note": "sorry"}
    for _ in range(2):  # a double click refunds once
        answer = client.post("/admin/billing/reversal/add/", data)
        assert answer.status_code == 302, answer.content.decode()
    assert b"open the page anew" in client.post("/admin/billing/reversal/add/", data | {"usd": "3"}).content
    assert Entry.objects.filter(action="add", object_id=data["token"]).count() == 1
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
    event = StripeEvent.objects.create(
        id=f"evt_{uuid7().hex}", type="checkout.session.completed", object_id=payment.session_id or "", created_at=Now(), error="it broke"
    )
    client = staff_client()
    for _ in range(2):
        data = {"action": "replay", "_selected_action": [event.pk]}
        assert client.post("/admin/billing/stripeevent/", data, follow=True).status_code == 200
        event.refresh_from_db()
        assert (event.error, event.processed_at is None, payer.credit) == ("", False, 25 * USD)


def test_every_list_opens(shop: Shop) -> None:
    shop.paid(5)
    client = staff_client()
    for page in ("payment", "reversal", "stripeevent", "receipt", "debt", "autotopup", "paymentmethod", "notice"):
        answer = client.get(f"/admin/billing/{page}/")
        assert answer.status_code == 200, page
        assert b"4242424242424242" not in answer.content
