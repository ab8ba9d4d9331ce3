"""Promise: whoever sends the form of a top-up from two tabs pays once; who wants to pay twice can, and is told of the first payment."""

from __future__ import annotations

import re

import pytest
from django.db.models import F
from django.http import HttpResponse
from django.test import Client

from apps.billing.models import Payment, PaymentStatus
from apps.billing.topups import SAME_INTENT, next_attempt
from tests.dashboard.browsing import logged_in
from tests.payments.shop import ASKS_ALWAYS, DECLINED, USD, VISA, Payer, Shop, at_once

pytestmark = pytest.mark.money
ATTEMPT = re.compile(r'name="attempt" value="([0-9a-f-]{36})"')


def opened(client: Client) -> str:
    """What a tab that shows the form would send."""
    [attempt] = ATTEMPT.findall(client.get("/settings/billing").text)
    return str(attempt)


def sent(payer: Payer, attempt: str, usd: int = 25, way: str = "") -> HttpResponse:
    client = logged_in(payer.registered.user)
    way = way or str(payer.card.pk)
    return client.post("/settings/billing/top-up", {"attempt": attempt, "amount": "other", "other": str(usd), "way": way})  # type: ignore[return-value]


def new_attempt(answer: HttpResponse) -> str:
    [attempt] = ATTEMPT.findall(answer.content.decode())
    return str(attempt)


def test_two_tabs_with_the_form_pay_once_also_at_the_same_time(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer(VISA)
    tabs = [logged_in(payer.registered.user) for _ in range(2)]
    attempts = [opened(tab) for tab in tabs]
    answers = at_once([lambda attempt=attempt: sent(payer, attempt) for attempt in attempts])  # type: ignore[misc]
    [payment] = payer.payments
    assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {(302, f"/settings/billing/top-up/{payment.pk}")}
    assert sent(payer, attempts[0]).headers["Location"] == f"/settings/billing/top-up/{payment.pk}"
    assert (payer.credit, shop.net(payer), len(payer.payments)) == (25 * USD, 25 * USD, 1)


def test_a_page_opened_after_a_payment_pays_another_one(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer(VISA)
    client = logged_in(payer.registered.user)
    for _ in range(2):
        assert sent(payer, opened(client)).status_code == 302
    assert (payer.credit, shop.net(payer), len(payer.payments)) == (50 * USD, 50 * USD, 2)


@pytest.mark.parametrize("later", [False, True], ids=["another amount", "the same, long after"])
def test_a_tab_left_open_asks_before_it_pays_again(shop: Shop, later: bool) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer(VISA)
    left_open = opened(logged_in(payer.registered.user))
    assert sent(payer, left_open).status_code == 302
    if later:
        Payment.objects.filter(account=payer.account).update(created_at=F("created_at") - 2 * SAME_INTENT)
    usd = 25 if later else 30
    answer = sent(payer, left_open, usd)
    assert answer.status_code == 422
    assert "A top-up of $25.00 was begun with this form already." in answer.content.decode()
    assert f'value="{usd}"' in answer.content.decode()
    assert payer.credit == 25 * USD
    assert sent(payer, new_attempt(answer), usd).status_code == 302
    assert (payer.credit, shop.net(payer)) == ((25 + usd) * USD, (25 + usd) * USD)


def test_two_tabs_lead_to_one_page_at_stripe(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    attempt = opened(logged_in(payer.registered.user))
    first, second = (sent(payer, attempt, way="stripe") for _ in range(2))
    [payment] = payer.payments
    assert first.headers["Location"] == second.headers["Location"] == payment.action_url


def test_after_a_card_was_declined_the_form_pays_when_it_is_sent_again(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer(VISA)
    declined = shop.save_card(payer, DECLINED)
    answer = sent(payer, opened(logged_in(payer.registered.user)), way=str(declined.pk))
    assert answer.status_code == 422
    assert [payment.status for payment in payer.payments] == [PaymentStatus.FAILED]
    assert sent(payer, new_attempt(answer)).status_code == 302
    assert payer.credit == 25 * USD


def test_a_payment_that_waits_for_the_bank_is_found_again(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer(ASKS_ALWAYS)
    attempt = opened(logged_in(payer.registered.user))
    assert len({sent(payer, attempt).headers["Location"] for _ in range(2)}) == 1
    assert [payment.status for payment in payer.payments] == [PaymentStatus.OPEN]


def test_each_account_has_attempts_of_its_own(shop: Shop) -> None:
    alice, bob = shop.payer(VISA), shop.payer(VISA)
    attempt = next_attempt(alice.account)
    assert attempt not in (next_attempt(bob.account), next_attempt(shop.payer().account))
    assert attempt == next_attempt(alice.account)
    assert sent(alice, str(attempt)).status_code == 302
    assert sent(bob, str(attempt)).status_code == 404
    assert (alice.credit, bob.credit) == (25 * USD, 0)
