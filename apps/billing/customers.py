"""An account as Stripe knows it."""

from __future__ import annotations

import hashlib

from django.conf import settings

from apps.accounts.models import Account
from apps.accounts.queries import verified_email
from apps.billing import stripe_client
from apps.billing.models import Customer


def ensure_customer(account: Account) -> str:
    """Stripe's id of the account, made at the first call. Raises StripeUnavailable, PaymentsNotOffered.

    A crash in between may leave a customer at Stripe that nobody uses; within a day the same one is found again. One of test mode
    is not known to live mode, and is replaced.
    """
    known = Customer.objects.filter(account=account, livemode=settings.STRIPE_LIVE).first()
    if known is not None:
        return known.stripe_id
    stripe_id = _make(account)
    stale = Customer.objects.filter(account=account).exclude(livemode=settings.STRIPE_LIVE)
    if not stale.update(stripe_id=stripe_id, livemode=settings.STRIPE_LIVE):
        Customer.objects.bulk_create([Customer(account=account, stripe_id=stripe_id, livemode=settings.STRIPE_LIVE)], ignore_conflicts=True)
    return Customer.objects.get(account=account).stripe_id


def replace_customer(account: Account, gone: str) -> str:
    """Stripe's new id of an account whose old one, `gone`, is not known there any more. Raises StripeUnavailable."""
    stripe_id = _make(account, f":{gone}")
    Customer.objects.filter(account=account, stripe_id=gone).update(stripe_id=stripe_id)
    return Customer.objects.get(account=account).stripe_id


def _make(account: Account, instead: str = "") -> str:
    email = verified_email(account)
    # Stripe refuses a key that comes again with something else, such as another address.
    key = f"customer:{account.pk}:{account.created_at.timestamp():.0f}:{hashlib.sha256((email or '').encode()).hexdigest()[:16]}{instead}"
    return stripe_client.create_customer(account.pk, email, key)
