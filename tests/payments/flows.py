"""What web and worker processes do with payments, each as one call, so that it can be killed in between."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import get_user_model

from apps.accounts.models import Account
from apps.billing import auto_charge, cards, events, payments, reversals, topups
from apps.billing.models import Payment, PaymentMethod

URL = "http://127.0.0.1:1/back"
USD = 10**9


def top_up_by_card(account: int, attempt: str) -> None:
    owner = Account.objects.get(pk=account)
    card = PaymentMethod.objects.get(account=owner, is_default=True)
    topups.pay_with_card(owner, 25 * USD, card_id=card.pk, attempt=UUID(attempt), return_url=URL)


def begin_checkout(account: int, attempt: str) -> None:
    topups.start_checkout(Account.objects.get(pk=account), 25 * USD, attempt=UUID(attempt), return_url=URL, cancel_url=URL, save_card=False)


def come_back(account: int, attempt: str) -> None:
    topups.look_again(Account.objects.get(pk=account), UUID(attempt))


def work_on_event(event: str) -> None:
    events.process(event)


def charge_automatically(account: int) -> None:
    """What a sweep does for one account."""
    payment = auto_charge.begin_charge(account)
    if payment is not None:
        payments.advance(payment)


def refund(payment: str, staff: int) -> None:
    by = get_user_model().objects.get(pk=staff)
    reversals.refund(Payment.objects.get(pk=payment), 10 * USD, by=by)


def add_card(account: int, setup: str) -> None:
    cards.look_again(Account.objects.get(pk=account), UUID(setup))
