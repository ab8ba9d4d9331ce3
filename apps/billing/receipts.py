"""Receipts: one for each payment that was credited, numbered in order without gaps. What a page needs to know:

`receipt.payment` has `amount`, `paid_with`, `concluded_at`, and `reversals` (refunds and disputes, whose `booked` went back);
`receipt.bill_to` is a dict with the fields of BillingDetails and `email`, as they were when it was paid.
"""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now
from django.forms.models import model_to_dict

from apps.accounts.models import Account
from apps.accounts.queries import verified_email
from apps.billing.countries import COUNTRIES
from apps.billing.models import BillingDetails, Payment, Receipt

FIELDS = ("name", "line1", "line2", "postal_code", "city", "region", "country", "tax_id")


def receipts_of(account: Account) -> QuerySet[Receipt]:
    """Newest first."""
    return Receipt.objects.filter(account=account).select_related("payment").order_by("-number")


def receipt_of(account: Account, number: int) -> Receipt:
    """Raises Receipt.DoesNotExist."""
    return Receipt.objects.select_related("payment").prefetch_related("payment__reversals").get(account=account, number=number)


def details_of(account: Account) -> BillingDetails:
    """Empty where nothing was written yet."""
    return BillingDetails.objects.filter(account=account).first() or BillingDetails(account=account)


def save_details(account: Account, **fields: str) -> BillingDetails:
    """Raises ValidationError with a text for each wrong field, and TypeError for one that there is not."""
    if unknown := fields.keys() - set(FIELDS):
        raise TypeError(f"no such fields: {', '.join(sorted(unknown))}")
    details = details_of(account)
    for name, value in fields.items():
        setattr(details, name, value.strip())
    details.country = details.country.upper()
    if details.country and details.country not in COUNTRIES:
        raise ValidationError({"country": "Write the country as its two letters, such as DE or US."})
    details.clean_fields(exclude=["account"])
    details.save()
    return details


def issue(payment_id: UUID) -> Receipt:
    """The receipt of a payment that was credited: made at the first call.

    In a transaction of its own, after the one that credited: numbers without gaps are given one after the other, and nobody should
    wait for that who holds an account's lock. What a crash leaves without a receipt, `issue_missing` finds.
    """
    payment = Payment.objects.select_related("account").get(pk=payment_id)
    details = details_of(payment.account)
    bill_to = {**model_to_dict(details, FIELDS), "email": verified_email(payment.account) or ""}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE billing_receipt IN SHARE ROW EXCLUSIVE MODE")
        found = Receipt.objects.filter(payment_id=payment_id).first()
        if found is not None:
            return found
        number = (Receipt.objects.aggregate(last=Max("number"))["last"] or 0) + 1
        return Receipt.objects.create(number=number, payment=payment, account=payment.account, issued_at=Now(), bill_to=bill_to)


def issue_missing() -> None:
    for payment_id in Payment.objects.filter(pool__isnull=False, receipt=None).order_by("concluded_at").values_list("pk", flat=True)[:100]:
        issue(payment_id)
