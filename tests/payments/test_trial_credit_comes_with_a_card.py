"""Promise: the first verified card brings the trial credit: once for each account, address and card (acceptance 28); whoever tries out
cards is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.core.cache import cache

from apps.billing import cards, stripe_client
from apps.billing.errors import TooManyAttempts
from apps.billing.models import PaymentMethod, Trial
from apps.billing.payment_step import payment_step
from apps.billing.trial import card_was_used_elsewhere, grant_due_trial, promise_trial
from tests.payments.shop import USD, VISA, Payer, Shop, at_once, wait_until

pytestmark = pytest.mark.money
MASTERCARD = "5555555555554444"
NUMBERS = iter(range(10**6))


def fresh_card() -> str:
    """A number that nobody in this run has used, with the right last digit."""
    digits = f"42424260{next(NUMBERS):07d}"
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return digits + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def newcomer(shop: Shop) -> Payer:
    payer = shop.payer()
    promise_trial(payer.account)
    return payer


def test_the_card_brings_it_and_the_second_account_with_that_card_gets_none(shop: Shop) -> None:
    card = fresh_card()
    first, second = newcomer(shop), newcomer(shop)
    step = payment_step(first.account.pk)
    assert (step.offered, step.satisfied, step.url) == (True, False, "/settings/billing")
    grant_due_trial(first.account)
    assert first.credit == 0
    shop.save_card(first, card)
    assert payment_step(first.account.pk).verified == f"Visa ending in {card[-4:]}"
    grant_due_trial(first.account)
    assert first.credit == 5 * USD
    shop.save_card(second, card)
    grant_due_trial(second.account)
    assert second.credit == 0
    assert card_was_used_elsewhere(second.account)
    shop.save_card(second, fresh_card())
    grant_due_trial(second.account)
    assert second.credit == 5 * USD
    assert not card_was_used_elsewhere(second.account)
    shop.save_card(first, fresh_card())
    grant_due_trial(first.account)
    assert first.credit == 5 * USD


def test_two_accounts_with_one_card_at_the_same_moment_get_one(shop: Shop) -> None:
    card = fresh_card()
    payers = [newcomer(shop) for _ in range(4)]
    for payer in payers:
        shop.save_card(payer, card)
    accounts = [payer.account for payer in payers]
    at_once([lambda account=account: grant_due_trial(account) for account in accounts for _ in range(2)])  # type: ignore[misc]
    assert sorted(payer.credit for payer in payers) == [0, 0, 0, 5 * USD]


def test_a_removed_card_does_not_make_it_new(shop: Shop) -> None:
    card = fresh_card()
    first, second = newcomer(shop), newcomer(shop)
    shop.save_card(first, card)
    grant_due_trial(first.account)
    cards.remove(first.account, first.card.pk)
    shop.save_card(second, card)
    grant_due_trial(second.account)
    assert second.credit == 0
    assert card not in str(Trial.objects.filter(account=first.account).values())


@pytest.mark.parametrize("unknown", [{"wallet": True}, {"fingerprint": ""}])
def test_a_card_that_cannot_be_told_from_others_brings_none(shop: Shop, monkeypatch: pytest.MonkeyPatch, unknown: dict[str, Any]) -> None:
    payer, card = newcomer(shop), stripe_client.card
    monkeypatch.setattr(stripe_client, "card", lambda card_id: replace(card(card_id), **unknown))
    shop.save_card(payer, fresh_card())
    grant_due_trial(payer.account)
    assert (payer.credit, card_was_used_elsewhere(payer.account)) == (0, True)
    shop.save_card(payer, fresh_card())
    assert PaymentMethod.objects.filter(account=payer.account, removed_at=None).count() == 2
    monkeypatch.undo()
    shop.save_card(payer, fresh_card())
    grant_due_trial(payer.account)
    assert payer.credit == 5 * USD


def test_a_card_that_its_bank_declines_is_none(shop: Shop) -> None:
    payer = newcomer(shop)
    setup = shop.begin_setup(payer)
    with pytest.raises(AssertionError, match="402"):
        shop.simulator.pay(setup.session_id or "", "4000000000000002")
    assert cards.look_again(payer.account, setup.pk) is None
    grant_due_trial(payer.account)
    assert payer.credit == 0


def test_whoever_tries_out_cards_is_stopped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "MOST_AN_HOUR", 2)
    monkeypatch.setattr(cards, "MOST_AN_HOUR_FROM_ADDRESS", 2)
    payer = shop.payer()
    for _ in range(cards.MOST_AN_HOUR):
        shop.begin_setup(payer)
    with pytest.raises(TooManyAttempts):
        shop.begin_setup(payer)
    address = "203.0.113.77"
    cache.delete(f"billing:setups:{address}")
    others = [shop.payer() for _ in range(cards.MOST_AN_HOUR_FROM_ADDRESS)]
    for other in others:
        cards.start_setup(other.account, return_url=shop.web, cancel_url=shop.web, address=address)
    with pytest.raises(TooManyAttempts):
        cards.start_setup(shop.payer().account, return_url=shop.web, cancel_url=shop.web, address=address)


def test_the_webhook_brings_the_card_when_the_browser_does_not_come_back(shop: Shop) -> None:
    payer = shop.payer()
    setup = shop.begin_setup(payer)
    shop.simulator.pay(setup.session_id or "", VISA)
    wait_until(lambda: PaymentMethod.objects.filter(account=payer.account, is_default=True).exists())
    assert cards.look_again(payer.account, setup.pk) == payer.card


def test_cards_are_replaced_chosen_and_removed_and_stripe_forgets_them(shop: Shop) -> None:
    payer = shop.payer(VISA)
    first = payer.card
    second = shop.save_card(payer, MASTERCARD)
    assert (payer.card, str(second)) == (first, "Mastercard ending in 4444")
    cards.make_default(payer.account, second.pk)
    assert payer.card == second
    third = shop.save_card(payer, "378282246310005", replaces=second.pk)
    assert (payer.card, str(third)) == (third, "American Express ending in 0005")
    assert set(PaymentMethod.objects.filter(account=payer.account, removed_at=None)) == {first, third}
    cards.remove(payer.account, third.pk)
    assert payer.card == first
    cards.forget_removed()
    assert shop.attached_cards(payer.account.customer.stripe_id) == [first.stripe_id]
    again = shop.save_card(payer, VISA)
    assert list(PaymentMethod.objects.filter(account=payer.account, removed_at=None)) == [again]


def test_cards_of_others_are_not_found(shop: Shop) -> None:
    mine, theirs = shop.payer(VISA), shop.payer(VISA)
    for act in (cards.make_default, cards.remove):
        with pytest.raises(PaymentMethod.DoesNotExist):
            act(mine.account, theirs.card.pk)
    with pytest.raises(PaymentMethod.DoesNotExist):
        shop.begin_setup(mine, replaces=theirs.card.pk)
