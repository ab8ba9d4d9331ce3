"""Promise: auto top-up charges once when the balance falls below its threshold, keeps to its cap, and pauses instead of trying on
(acceptance 24, 26)."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models.functions import Now

from apps.api_keys.actions import create_key
from apps.billing import attempts, auto_charge, auto_topup, cards, events, payments, stripe_client, topups
from apps.billing.credits import set_balance
from apps.billing.models import AutoTopup, Notice, NoticeKind, PauseReason, Payment, PaymentStatus, Purpose
from apps.dashboard.closing import delete_user
from tests.gateway.customers import Customer
from tests.gateway.settlers import Process, ending
from tests.payments.shop import ASKS_ALWAYS, DECLINED, USD, VISA, Payer, Shop, at_once, held_elsewhere

pytestmark = pytest.mark.money


def watched(shop: Shop, card: str = VISA, *, balance: int = 4, cap: str = "100") -> Payer:
    payer = shop.payer(card)
    set_balance(payer.account.pk, balance * USD)
    auto_topup.configure(payer.account, enabled=True, threshold="5", amount="20", monthly_cap=cap)
    return payer


def charges(payer: Payer) -> list[Payment]:
    return [payment for payment in payer.payments if payment.purpose == Purpose.AUTO]


def mails(payer: Payer) -> list[str]:
    return list(Notice.objects.filter(account=payer.account).order_by("pk").values_list("kind", flat=True))


def let_time_pass(payer: Payer) -> None:
    """Until the card may be tried again."""
    AutoTopup.objects.filter(account=payer.account).update(next_try_at=Now())


def test_many_sweeps_at_once_make_one_charge(shop: Shop) -> None:
    payer = watched(shop)
    at_once([auto_charge.charge_due] * 8)
    assert [one.status for one in charges(payer)] == [PaymentStatus.SUCCEEDED]
    assert (payer.credit, shop.net(payer)) == (24 * USD, 20 * USD)
    auto_charge.charge_due()
    assert len(charges(payer)) == 1
    assert mails(payer) == [NoticeKind.AUTO_TOPUP_DONE]


def test_a_hundred_requests_that_cross_the_threshold_together_are_one_charge(shop: Shop) -> None:
    payer = watched(shop, balance=9)
    key, _ = create_key(payer.account, "k")
    customer = Customer(payer.account.pk, "", key.pk, "")
    sweeping = True

    def sweep() -> None:
        while sweeping:
            auto_charge.charge_due()
        connections.close_all()

    async def settle() -> None:
        async with Process() as process:
            await asyncio.gather(*(process.settling.settle(ending(customer, cost=USD // 20)) for _ in range(100)))

    with ThreadPoolExecutor(4) as pool:
        sweeps = [pool.submit(sweep) for _ in range(4)]
        try:
            asyncio.run(settle())
        finally:
            sweeping = False
        for each in sweeps:
            each.result()
    auto_charge.charge_due()
    assert [one.status for one in charges(payer)] == [PaymentStatus.SUCCEEDED]
    assert (payer.credit, shop.net(payer)) == (24 * USD, 20 * USD)


def test_an_account_that_somebody_holds_does_not_hold_up_the_others(shop: Shop) -> None:
    held, free = watched(shop), watched(shop)
    with held_elsewhere(held):
        auto_charge.charge_due()
    assert (charges(held), [one.status for one in charges(free)]) == ([], [PaymentStatus.SUCCEEDED])


def test_a_balance_at_the_threshold_is_left_alone(shop: Shop) -> None:
    payer = watched(shop, balance=5)
    auto_charge.charge_due()
    assert charges(payer) == []


def test_a_charge_whose_answer_is_lost_is_found_again_and_made_once(shop: Shop) -> None:
    shop.webhooks(paused=True)  # it is the sweep that finds it, not Stripe's event, which may come just then
    payer = watched(shop)
    shop.simulator.fault("timeout_after", "/v1/payment_intents/[^/]+/confirm", times=2, seconds=0.1)
    auto_charge.charge_due()
    auto_charge.charge_due()
    Payment.objects.filter(account=payer.account).update(next_check_at=Now())
    payments.advance_open()
    assert [one.status for one in charges(payer)] == [PaymentStatus.SUCCEEDED]
    assert (payer.credit, shop.net(payer)) == (24 * USD, 20 * USD)


def test_declines_pause_it_after_three_and_the_owner_is_told(shop: Shop) -> None:
    payer = watched(shop, DECLINED)
    for _ in range(6):
        let_time_pass(payer)
        auto_charge.charge_due()
    assert [one.status for one in charges(payer)] == [PaymentStatus.FAILED] * 3
    assert mails(payer) == [NoticeKind.AUTO_TOPUP_FAILED, NoticeKind.AUTO_TOPUP_FAILED, NoticeKind.AUTO_TOPUP_PAUSED]
    assert auto_topup.state_of(payer.account.pk).paused == "Your card was declined"
    assert payer.credit == 4 * USD
    books = shop.simulator.books()
    attempts = [one for one in books["charges"] if one["customer"] == payer.account.customer.stripe_id]
    assert len(attempts) == 3  # the bank was asked no more often
    mine = {one.intent_id for one in charges(payer)}
    assert {one["status"] for one in books["payment_intents"] if one["id"] in mine} == {"canceled"}  # and nobody can pay them any more


def test_after_a_decline_it_waits(shop: Shop) -> None:
    payer = watched(shop, DECLINED)
    for _ in range(3):
        auto_charge.charge_due()
    assert len(charges(payer)) == 1


def test_a_bank_that_wants_to_be_asked_pauses_it_at_once(shop: Shop) -> None:
    payer = watched(shop, ASKS_ALWAYS)
    for _ in range(3):
        let_time_pass(payer)
        auto_charge.charge_due()
    assert [(one.status, one.failure_code) for one in charges(payer)] == [(PaymentStatus.FAILED, "authentication_required")]
    assert mails(payer) == [NoticeKind.AUTO_TOPUP_PAUSED]


@pytest.mark.parametrize("how", ["another card", "the button", "saving the form"])
def test_it_goes_on_when_its_owner_has_seen_to_it(shop: Shop, how: str) -> None:
    payer = watched(shop, ASKS_ALWAYS)
    auto_charge.charge_due()
    assert auto_topup.state_of(payer.account.pk).paused
    card = shop.save_card(payer, VISA) if how == "another card" else None
    if card is not None:
        cards.make_default(payer.account, card.pk)
    elif how == "the button":
        auto_topup.resume(payer.account)
    else:
        auto_topup.configure(payer.account, enabled=True, threshold="5", amount="20", monthly_cap="100")
    assert auto_topup.state_of(payer.account.pk).active
    auto_charge.charge_due()
    assert payer.credit == (24 * USD if how == "another card" else 4 * USD)


def test_a_top_up_with_the_card_that_was_declined_resumes_it(shop: Shop) -> None:
    payer = watched(shop, ASKS_ALWAYS)
    auto_charge.charge_due()
    payment = shop.pay_with_card(payer)
    shop.simulator.ask("authenticate", {"intent": payment.intent_id, "passed": True})
    assert topups.look_again(payer.account, payment.pk).status == PaymentStatus.SUCCEEDED
    assert auto_topup.state_of(payer.account.pk).active


@pytest.mark.parametrize("how", ["refund", "dispute"])
def test_money_that_went_back_is_not_fetched_again_until_its_owner_says_so(shop: Shop, how: str) -> None:
    shop.webhooks(paused=True)
    payer = watched(shop)
    auto_charge.charge_due()
    [payment] = charges(payer)
    AutoTopup.objects.filter(account=payer.account).update(paused_at=Now(), pause_reason=PauseReason.DECLINED)
    if how == "refund":
        shop.refund_at_stripe(payment, 2000)
    else:
        shop.dispute(payment)
    shop.flush()
    events.process_waiting()
    assert auto_topup.state_of(payer.account.pk).paused == f"A payment was {how.removesuffix('e')}ed"
    shop.pay_with_card(payer, 5)
    cards.make_default(payer.account, shop.save_card(payer, "5555555555554444").pk)
    set_balance(payer.account.pk, 4 * USD)
    let_time_pass(payer)
    auto_charge.charge_due()
    assert (len(charges(payer)), auto_topup.state_of(payer.account.pk).waits) == (1, True)
    auto_topup.resume(payer.account)
    auto_charge.charge_due()
    assert len(charges(payer)) == 2


@pytest.mark.parametrize("how", ["turned off", "card removed", "paused", "account closed"])
@pytest.mark.parametrize("step", ["/v1/payment_intents", "/v1/payment_intents/[^/]+/confirm"])
def test_what_its_owner_called_off_meanwhile_is_not_charged(shop: Shop, how: str, step: str) -> None:
    shop.webhooks(paused=True)
    payer = watched(shop)
    shop.simulator.fault("500_before", step, times=2)
    auto_charge.charge_due()
    if how == "turned off":
        auto_topup.configure(payer.account, enabled=False, threshold="5", amount="20", monthly_cap="100")
    elif how == "card removed":
        cards.remove(payer.account, payer.card.pk)
    elif how == "paused":
        auto_topup.pause(payer.account.pk, PauseReason.DISPUTED)
    else:
        delete_user(payer.registered.user)
    Payment.objects.filter(account=payer.account).update(next_check_at=Now())
    payments.advance_open()
    [payment] = charges(payer)
    assert (payment.status, payment.failure_code) == (PaymentStatus.CANCELED, "withdrawn")
    assert NoticeKind.AUTO_TOPUP_FAILED not in mails(payer)
    books = shop.simulator.books()
    assert not [one for one in books["charges"] if one["customer"] == payment.customer]
    assert {one["status"] for one in books["payment_intents"] if one["customer"] == payment.customer} <= {"canceled"}


def test_the_page_of_an_account_that_was_closed_cannot_be_paid(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = shop.payer()
    payment, account = shop.begin_checkout(payer), payer.account
    delete_user(payer.registered.user)
    payments.advance_open()
    assert topups.look_again(account, payment.pk).status == PaymentStatus.CANCELED
    assert stripe_client.session(payment.session_id or "").status == "expired"


def test_a_card_that_stripe_forgot_does_not_hold_up_the_next_charge(shop: Shop) -> None:
    shop.webhooks(paused=True)
    payer = watched(shop)
    shop.simulator.fault("500_before", "/v1/payment_intents/[^/]+/confirm", times=2)
    auto_charge.charge_due()
    stripe_client.detach_card(payer.card.stripe_id)
    Payment.objects.filter(account=payer.account).update(next_check_at=Now())
    payments.advance_open()
    assert [(one.status, one.failure_code) for one in charges(payer)] == [(PaymentStatus.FAILED, "payment_method_unusable")]


def test_a_charge_that_stripe_does_not_know_ends_with_its_trouble(shop: Shop) -> None:
    payer = watched(shop)
    pk = auto_charge.begin_charge(payer.account.pk)
    Payment.objects.filter(pk=pk).update(intent_id=f"pi_gone{pk}", next_check_at=Now())
    payments.advance_open()
    assert charges(payer)[0].status == PaymentStatus.OPEN  # it may be known in a moment
    Payment.objects.filter(pk=pk).update(created_at=Now() - 2 * attempts.GIVE_UP_AFTER, next_check_at=Now())
    payments.advance_open()
    [payment] = charges(payer)
    assert (payment.status, "does not know" in payment.trouble) == (PaymentStatus.FAILED, True)


def test_one_charge_is_followed_by_a_rest(shop: Shop) -> None:
    payer = watched(shop)
    for _ in range(3):
        set_balance(payer.account.pk, 4 * USD)
        auto_charge.charge_due()
    assert len(charges(payer)) == 1
    let_time_pass(payer)
    auto_charge.charge_due()
    assert len(charges(payer)) == 2


def test_a_month_has_its_cap(shop: Shop) -> None:
    payer = watched(shop, cap="40")
    for _ in range(4):
        set_balance(payer.account.pk, 4 * USD)
        let_time_pass(payer)
        auto_charge.charge_due()
    assert len(charges(payer)) == 2
    state = auto_topup.state_of(payer.account.pk)
    assert (state.spent_this_month, state.capped) == (40 * USD, True)
    assert mails(payer).count(NoticeKind.AUTO_TOPUP_CAPPED) == 1


def test_without_a_card_it_pauses(shop: Shop) -> None:
    payer = watched(shop)
    cards.remove(payer.account, payer.card.pk)
    assert auto_topup.state_of(payer.account.pk).paused == "There is no payment method to charge"
    auto_charge.charge_due()
    assert charges(payer) == []


def test_the_form_names_what_is_wrong(shop: Shop) -> None:
    payer = shop.payer()
    with pytest.raises(ValidationError) as refused:
        auto_topup.configure(payer.account, enabled=True, threshold="-1", amount="4.99", monthly_cap="many")
    assert refused.value.message_dict.keys() == {"threshold", "amount", "monthly_cap", "enabled"}
    with pytest.raises(ValidationError, match="one top-up is enough") as refused:
        auto_topup.configure(payer.account, enabled=False, threshold="1000", amount="5", monthly_cap="1000")
    assert refused.value.message_dict.keys() == {"amount"}
    with pytest.raises(ValidationError, match="cap"):
        auto_topup.configure(payer.account, enabled=False, threshold="1", amount="10", monthly_cap="9")
