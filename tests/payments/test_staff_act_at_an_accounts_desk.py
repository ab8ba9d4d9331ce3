"""Promise: at an account's desk a refund is made once, exactly; what staff suspend no payment lifts, and what a debt suspended a payment does."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.accounts.models import Account, AccountStatus
from apps.audit.models import Entry
from apps.billing.models import Reversal
from tests.payments.shop import Shop
from tests.payments.test_money_that_goes_back_is_exact import process_all, spend
from tests.people import new_customer
from tests.staff_pages.roles import browser_of, member_of
from tests.staff_pages.test_a_deed_at_the_desk_is_done_once import desk_of

pytestmark = pytest.mark.money


def test_a_refund_is_made_once_and_never_beyond_what_was_paid(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    client = browser_of(member_of("finance"))
    data = {"deed": "refund", "token": uuid4(), "payment": payment.pk, "usd": "10.50", "reason": "asked for it"}
    for wrong in ("25.01", "1.001"):
        assert client.post(desk_of(payer.account), data | {"usd": wrong}).status_code == 422
    for _ in range(2):
        answer = client.post(desk_of(payer.account), data)
        assert answer.status_code == 302, answer.content.decode()
    [row] = Reversal.objects.filter(payment=payment)
    assert (row.status, row.note, payer.credit) == ("succeeded", "asked for it", 14_500_000_000)
    [entry] = Entry.objects.filter(action="refund", account_id=payer.account.pk)
    assert (entry.object_id, entry.after["usd"]) == (str(row.pk), "10.5")
    other = new_customer().account
    assert client.post(desk_of(other), data | {"token": uuid4()}).status_code == 422  # a payment of somebody else's


def test_what_staff_suspended_no_payment_reinstates(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    client = browser_of(member_of("finance"))
    shop.webhooks(paused=True)
    spend(payer, 20)
    shop.refund_at_stripe(payment, 2500)
    process_all(shop)
    assert status_of(payer.account) == AccountStatus.SUSPENDED  # for the 20 that it owes
    assert b"it owes" in client.post(desk_of(payer.account), {"deed": "reinstate", "reason": "x"}).content
    assert client.post(desk_of(payer.account), {"deed": "suspend", "reason": "abuse"}).status_code == 302
    shop.pay_page(shop.begin_checkout(payer, 40))
    process_all(shop)
    assert status_of(payer.account) == AccountStatus.SUSPENDED
    assert client.post(desk_of(payer.account), {"deed": "reinstate", "reason": "cleared up"}).status_code == 302
    assert status_of(payer.account) == AccountStatus.ACTIVE
    assert [entry.reason for entry in Entry.objects.filter(account_id=payer.account.pk).order_by("pk")] == ["abuse", "cleared up"]


def test_whom_staff_reinstate_while_it_owes_is_reinstated_by_paying(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    client = browser_of(member_of("finance"))
    shop.webhooks(paused=True)
    spend(payer, 20)
    client.post(desk_of(payer.account), {"deed": "suspend", "reason": "abuse"})
    shop.refund_at_stripe(payment, 2500)
    process_all(shop)
    client.post(desk_of(payer.account), {"deed": "reinstate", "reason": "cleared up"})
    assert status_of(payer.account) == AccountStatus.SUSPENDED
    shop.pay_page(shop.begin_checkout(payer, 40))
    process_all(shop)
    assert status_of(payer.account) == AccountStatus.ACTIVE


def status_of(account: Account) -> int:
    return Account.objects.get(pk=account.pk).status
