"""Comparing our books with Stripe's: what was missed is repaired, what cannot be is reported.

It lists payments, refunds and disputes at Stripe itself, so that it needs no webhook to have come.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Sum

from apps.billing import attempts, payments, receipts, reversals, stripe_client
from apps.billing.errors import TROUBLE, StripeUnavailable
from apps.billing.models import Book, Payment, PaymentStatus, Posting, Reversal, ReversalKind, TransactionKind
from apps.billing.models.payments import NANO_PER_CENT
from apps.billing.stripe_objects import Back, Intent
from apps.core.moments import database_now

log = logging.getLogger(__name__)

HOURLY_LOOK_BACK = timedelta(days=3)
# A dispute comes months after its payment, and is looked at until it is closed.
DISPUTES_LOOK_BACK = timedelta(days=180)


@dataclass
class Report:
    """What a run saw. Amounts in nano-USD: `received` and `returned` at Stripe, of payments of ours since `since`."""

    since: datetime
    payments: int = 0
    received: int = 0
    returned: int = 0
    repaired: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """The books agree now, be it after repair."""
        return not self.drift


def reconcile(look_back: timedelta = HOURLY_LOOK_BACK) -> Report:
    """Raises StripeUnavailable, PaymentsNotOffered: then nothing can be said."""
    start = database_now()
    since = start - look_back
    report = Report(since)
    seen: set[UUID] = set()
    for intent in stripe_client.intents(since):
        if intent.livemode == settings.STRIPE_LIVE:
            _compare_intent(intent, report, seen)
    _compare_backs(ReversalKind.REFUND, stripe_client.refunds(since), report)
    _compare_backs(ReversalKind.DISPUTE, stripe_client.disputes(min(since, database_now() - DISPUTES_LOOK_BACK)), report)
    for payment in Payment.objects.filter(created_at__gte=since, created_at__lt=start, pool__isnull=False, livemode=settings.STRIPE_LIVE):
        if payment.pk not in seen and payment.created_at >= since + attempts.SLACK:
            report.drift.append(f"payment {payment.pk} is credited, and Stripe does not list it")
        _compare_ledger(payment, report)
    receipts.issue_missing()
    for line in report.repaired:
        log.warning("Reconciled with Stripe: %s", line)
    for line in report.drift:
        log.error("Our books differ from Stripe's: %s", line)
    return report


def _compare_intent(intent: Intent, report: Report, seen: set[UUID]) -> None:
    try:
        payment = payments.payment_of_intent(intent)
        if payment is None:
            if intent.attempt and intent.status == "succeeded":
                report.drift.append(f"{intent.id} was paid for attempt {intent.attempt}, which is not known here")
            return
        seen.add(payment.pk)
        before = (payment.pool_id, payment.status)
        payment = payments.settle_intent(intent) or payment
    except StripeUnavailable:
        raise
    except TROUBLE as trouble:
        report.drift.append(f"{intent.id}: {trouble}")
        return
    report.payments += 1
    if (payment.pool_id, payment.status) != before:
        report.repaired.append(f"payment {payment.pk}: {PaymentStatus(before[1]).label} became {PaymentStatus(payment.status).label}")
    if intent.status == "succeeded":
        report.received += intent.received * NANO_PER_CENT
    elif payment.pool_id is not None:
        now = stripe_client.intent(intent.id)  # it may have been paid since it was listed
        if now.status != "succeeded":
            report.drift.append(f"payment {payment.pk} is credited, and {intent.id} is {now.status}")


def _compare_backs(kind: ReversalKind, backs: Iterable[Back], report: Report) -> None:
    for back in backs:
        try:
            if reversals.follow(kind, back):
                report.repaired.append(f"{back.id} is {back.status}")
        except StripeUnavailable:
            raise
        except TROUBLE as trouble:
            report.drift.append(f"{back.id}: {trouble}")
        if not reversals.is_known(kind, back.status):
            report.drift.append(f"{back.id} is in a state that is not known here: {back.status}")
        row = Reversal.objects.filter(stripe_id=back.id).first()
        if row is None:
            continue
        report.returned += row.booked
        if row.amount != back.cents * NANO_PER_CENT:
            report.drift.append(f"{back.id} is about {back.cents} cents, and {row.amount} nano-USD here")


def _compare_ledger(payment: Payment, report: Report) -> None:
    """The ledger's cash of a payment is what it brought less what went back."""
    references = [payment.intent_id, *(f"{row.stripe_id}:{number + 1}" for row in payment.reversals.all() for number in range(row.rounds))]
    kinds = (TransactionKind.PURCHASE, TransactionKind.REFUND, TransactionKind.DISPUTE)
    lines = Posting.objects.filter(book=Book.CASH, transaction__reference__in=references, transaction__kind__in=kinds)
    cash = -(lines.aggregate(sum=Sum("amount"))["sum"] or 0)
    wanted = payment.amount - sum(row.booked for row in payment.reversals.all())
    if cash != wanted:
        report.drift.append(f"payment {payment.pk}: the ledger has {cash} nano-USD of cash, not {wanted}")
