"""Receipts: one for each payment that was credited, numbered in order without gaps. What a page needs to know:

`receipt.payment` has `amount`, `paid_with`, `concluded_at`, and `reversals` (refunds and disputes, whose `booked` went back);
`receipt.bill_to` is a dict with the fields of BillingDetails and `email`, as they were when it was paid.
"""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import Account
from apps.billing.models import BillingDetails, Receipt


def receipts_of(account: Account) -> QuerySet[Receipt]:
    """Newest first."""
    raise NotImplementedError


def receipt_of(account: Account, number: int) -> Receipt:
    """Raises Receipt.DoesNotExist."""
    raise NotImplementedError


def details_of(account: Account) -> BillingDetails:
    """Empty where nothing was written yet."""
    raise NotImplementedError


def save_details(account: Account, **fields: str) -> BillingDetails:
    """Raises ValidationError with a text for each wrong field."""
    raise NotImplementedError
