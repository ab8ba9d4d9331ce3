"""Promise: refunds and disputes take back exactly what went back; beyond the balance the account is suspended, never negative, and
reinstated when it is even again (acceptance 27)."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.models import AccountStatus
from apps.billing import debts, events, reversals
from apps.billing.credits import grant_credit, set_balance
from apps.billing.errors import StripeUnavailable
from apps.billing.models import CreditPool, Notice, NoticeKind, PoolKind, Reversal
from apps.billing.stripe_objects import Back
from tests.billing.holds import held
from tests.payments.shop import USD, Payer, Shop, held_elsewhere
from tests.people import new_email

pytestmark = pytest.mark.money


def spend(payer: Payer, usd: int) -> None:
    """Usage, as far as the books are concerned."""
    set_balance(payer.account.pk, payer.credit - usd * USD, note="spent")


def staff() -> object:
    return get_user_model().objects.create_superuser(new_email())


def process_all(shop: Shop, order: str = "created", copies: int = 1) -> None:
    shop.flush(order, copies)
    events.process_waiting()


@pytest.mark.parametrize("order", ["created", "reversed", "random"])
def test_partial_refunds_a_dispute_that_is_won_and_a_refund_come_to_the_exact_net(shop: Shop, order: str) -> None:
    shop.webhooks(paused=True)
    payer, payment = shop.paid(50)
    shop.refund_at_stripe(payment, 700)
    shop.refund_at_stripe(payment, 300)
    dispute = shop.dispute(payment, 4000)
    process_all(shop, order, copies=2)
    assert payer.credit == shop.net(payer) == 0
    shop.close_dispute(dispute, "won")
    process_all(shop, order, copies=2)
    assert payer.credit == shop.net(payer) == 40 * USD
    shop.refund_at_stripe(payment, 1500)
    process_all(shop, order, copies=2)
    assert payer.credit == shop.net(payer) == 25 * USD
    assert payer.account.status == AccountStatus.ACTIVE


def test_beyond_the_balance_it_suspends_and_a_top_up_reinstates(shop: Shop) -> None:
    payer, payment = shop.paid(50)
    spend(payer, 45)
    shop.webhooks(paused=True)
    shop.refund_at_stripe(payment, 3000)
    process_all(shop)
    assert (payer.credit, debts.debt_of(payer.account.pk)) == (0, 25 * USD)
    assert payer.account.status == AccountStatus.SUSPENDED
    shop.pay_with_card(payer, 20)
    assert (payer.credit, debts.debt_of(payer.account.pk), payer.account.status) == (0, 5 * USD, AccountStatus.SUSPENDED)
    shop.pay_with_card(payer, 20)
    assert (payer.credit, debts.debt_of(payer.account.pk), payer.account.status) == (15 * USD, 0, AccountStatus.ACTIVE)
    kinds = list(
        Notice.objects.filter(account=payer.account, kind__in=(NoticeKind.SUSPENDED, NoticeKind.REINSTATED))
        .order_by("pk")
        .values_list("kind", flat=True)
    )
    assert kinds == [NoticeKind.SUSPENDED, NoticeKind.REINSTATED]
    client = Client()
    client.force_login(payer.account.memberships.get().user)
    assert "Debt paid" in client.get("/settings/billing").content.decode()


def test_a_dispute_of_spent_money_suspends_until_it_is_won(shop: Shop) -> None:
    payer, payment = shop.paid(50)
    spend(payer, 50)
    shop.webhooks(paused=True)
    dispute = shop.dispute(payment)
    process_all(shop)
    assert (debts.debt_of(payer.account.pk), payer.account.status) == (50 * USD, AccountStatus.SUSPENDED)
    shop.close_dispute(dispute, "won")
    process_all(shop, "reversed")
    assert (payer.credit, debts.debt_of(payer.account.pk), payer.account.status) == (0, 0, AccountStatus.ACTIVE)


def test_what_open_requests_hold_is_taken_when_they_give_it_back(shop: Shop) -> None:
    payer, payment = shop.paid(50)
    pool = CreditPool.objects.get(account=payer.account, kind=PoolKind.PURCHASED)
    with held(pool, 30 * USD):
        shop.webhooks(paused=True)
        shop.refund_at_stripe(payment, 5000)
        process_all(shop)
        debts.collect_all()
        assert (debts.debt_of(payer.account.pk), payer.account.status) == (30 * USD, AccountStatus.ACTIVE)  # it comes back anyway
    debts.collect_all()
    assert (payer.credit, debts.debt_of(payer.account.pk), payer.account.status) == (0, 0, AccountStatus.ACTIVE)
    assert not Notice.objects.filter(account=payer.account, kind=NoticeKind.SUSPENDED).exists()


def test_whoever_used_what_was_held_is_suspended_then(shop: Shop) -> None:
    payer, payment = shop.paid(50)
    pool = CreditPool.objects.get(account=payer.account, kind=PoolKind.PURCHASED)
    with held(pool, 30 * USD):
        shop.webhooks(paused=True)
        shop.refund_at_stripe(payment, 5000)
        process_all(shop)
        assert payer.account.status == AccountStatus.ACTIVE
    spend(payer, 30)
    debts.collect_all()
    assert (debts.debt_of(payer.account.pk), payer.account.status) == (30 * USD, AccountStatus.SUSPENDED)


def test_given_credit_is_not_touched(shop: Shop) -> None:
    payer, payment = shop.paid(10)
    set_balance(payer.account.pk, 17 * USD)
    shop.webhooks(paused=True)
    shop.refund_at_stripe(payment, 1000)
    process_all(shop)
    assert payer.credit == 7 * USD


def test_staff_refund_to_the_cent_and_not_more_than_was_paid(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    by = staff()
    row, _ = reversals.refund(payment, 10 * USD, by=by, note="unhappy")  # type: ignore[arg-type]
    assert (row.status, row.booked, payer.credit, shop.net(payer)) == ("succeeded", 10 * USD, 15 * USD, 15 * USD)
    for amount in (15 * USD + 10_000_000, 0, -1, 5):
        with pytest.raises(ValidationError):
            reversals.refund(payment, amount, by=by)  # type: ignore[arg-type]
    assert Reversal.objects.filter(payment=payment).count() == 1


@pytest.mark.parametrize("kind", ["timeout_after", "timeout_before", "500_after"])
def test_a_refund_whose_answer_is_lost_is_made_once(shop: Shop, kind: str) -> None:
    payer, payment = shop.paid(25)
    shop.webhooks(paused=True)
    shop.simulator.fault(kind, "/v1/refunds", times=2, seconds=0.1)
    row, _ = reversals.refund(payment, 10 * USD, by=staff())  # type: ignore[arg-type]
    for _ in range(3):
        with suppress(StripeUnavailable):
            reversals.send_refund(row.pk)
    process_all(shop, "random")
    assert payer.credit == shop.net(payer) == 15 * USD
    assert Reversal.objects.filter(payment=payment).count() == 1


@pytest.mark.parametrize("number", ["4000000000007726", "4000000000005126"])
def test_a_refund_that_fails_gives_the_credit_back(shop: Shop, number: str) -> None:
    shop.webhooks(paused=True)
    payer, payment = shop.paid(25, number)
    refund = shop.refund_at_stripe(payment, 1000)
    process_all(shop, "random")
    if number.endswith("7726"):
        assert payer.credit == 15 * USD
        shop.simulator.ask("refunds/end", {"refund": refund, "status": "failed"})
        process_all(shop)
    assert payer.credit == shop.net(payer) == 25 * USD


def test_what_staff_suspended_stays_suspended(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    spend(payer, 25)
    account = payer.account
    account.status = AccountStatus.SUSPENDED
    account.save()
    shop.webhooks(paused=True)
    dispute = shop.dispute(payment)
    process_all(shop)
    shop.close_dispute(dispute, "won")
    process_all(shop)
    assert payer.account.status == AccountStatus.SUSPENDED


def test_an_appeal_and_a_dispute_that_was_won_and_is_lost_after_all_take_the_money(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    payer, payment = shop.paid(50)
    stands = {"status": ""}

    def dispute(dispute_id: str) -> Back:
        return Back(dispute_id, stands["status"], 5000, payment.intent_id or "", "")

    monkeypatch.setattr(reversals.stripe_client, "dispute", dispute)
    credit = []
    for stands["status"] in ("needs_response", "won", "lost", "appeal_needs_response", "appeal_under_review", "won"):
        reversals.follow_dispute(f"du_{payment.pk}")
        credit.append(payer.credit // USD)
    assert credit == [0, 50, 0, 0, 0, 50]
    stale = Back(f"du_{payment.pk}", "needs_response", 5000, payment.intent_id or "", "")
    assert not reversals.follow(reversals.ReversalKind.DISPUTE, stale)
    assert payer.credit == 50 * USD


def test_answers_older_than_what_is_known_change_nothing(shop: Shop) -> None:
    """Two workers ask Stripe; the one that was told earlier comes second."""
    payer, payment = shop.paid(25)
    shop.webhooks(paused=True)
    dispute = shop.dispute(payment)
    seen = [reversals.stripe_client.dispute(dispute)]
    shop.close_dispute(dispute, "won")
    seen.append(reversals.stripe_client.dispute(dispute))
    tellings = seen * 3
    random.Random(7).shuffle(tellings)
    for back in [seen[1], *tellings]:
        reversals.follow(reversals.ReversalKind.DISPUTE, back)
    for status in ("failed", "succeeded", "pending"):
        reversals.follow(reversals.ReversalKind.REFUND, Back(f"re_{payment.pk}", status, 1000, payment.intent_id or "", ""))
    assert payer.credit == 25 * USD


def test_an_account_that_somebody_holds_keeps_no_other_from_paying_what_it_owes(shop: Shop) -> None:
    shop.webhooks(paused=True)
    debtors = []
    for _ in range(2):
        payer, payment = shop.paid(20)
        spend(payer, 20)
        shop.refund_at_stripe(payment, 300)
        debtors.append(payer)
    process_all(shop)
    for payer in debtors:
        grant_credit(payer.account.pk, 5 * USD, PoolKind.PURCHASED, f"again:{payer.account.pk}")
    locked, free = debtors
    with held_elsewhere(locked):
        debts.collect_all()
    assert (debts.debt_of(locked.account.pk), debts.debt_of(free.account.pk)) == (3 * USD, 0)
    debts.collect_all()
    assert (debts.debt_of(locked.account.pk), locked.credit) == (0, 2 * USD)
