"""Accounts with a history of money, made without Stripe."""

from __future__ import annotations

from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.billing.credits import grant_credit
from apps.billing.models import Book, CreditPool, Payment, PaymentMethod, PaymentStatus, PoolKind, Purpose, Receipt, TransactionKind
from apps.billing.receipts import issue
from apps.core.ids import uuid7
from apps.core.money import NANO_PER_USD


def saved_card(account: Account, **fields: object) -> PaymentMethod:
    values = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034, "fingerprint": uuid7().hex, "livemode": False}
    return PaymentMethod.objects.create(account=account, stripe_id=f"pm_{uuid7().hex}", **values | fields)


def paid(account: Account, usd: int) -> Receipt:
    """A payment that was credited, with its receipt."""
    intent = f"pi_{uuid7().hex}"
    grant = grant_credit(
        account.pk, usd * NANO_PER_USD, PoolKind.PURCHASED, intent, transaction_kind=TransactionKind.PURCHASE, book=Book.CASH, note="Visa ending in 4242"
    )  # fmt: skip
    payment = Payment.objects.create(
        account=account,
        purpose=Purpose.CHECKOUT,
        status=PaymentStatus.SUCCEEDED,
        amount=usd * NANO_PER_USD,
        livemode=False,
        customer="cus_x",
        intent_id=intent,
        paid_with="Visa ending in 4242",
        pool=CreditPool.objects.get(pk=grant.pool_id),
        concluded_at=Now(),
    )
    return issue(payment.pk)
