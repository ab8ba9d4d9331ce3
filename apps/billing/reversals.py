"""Money that goes back to the payer: refunds, ours and those made at Stripe, and disputes.

What is booked follows the state of the refund or dispute at Stripe, whatever events came, in whatever order: while the money is
gone, its amount has been taken back from the account; when it came back, it has been given back. States go forward, so that an
answer of Stripe's that is older than what is known changes nothing; a dispute may go back, which Stripe is asked once more to confirm.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.billing import auto_topup, debts, payments, stripe_client
from apps.billing.claims import claim
from apps.billing.credits import lock_account
from apps.billing.errors import TROUBLE, Missing, StripeUnavailable, WrongState
from apps.billing.models import NoticeKind, PauseReason, Payment, Reversal, ReversalKind, TransactionKind
from apps.billing.models.payments import NANO_PER_CENT
from apps.billing.notices import owe_mail
from apps.billing.stripe_objects import Back
from apps.core.ids import uuid7
from apps.core.money import display_usd

log = logging.getLogger(__name__)

# By Stripe's status: how far it has come, and whether the money is gone then. An inquiry (warning_…) takes no money.
REFUND_STATES = {"": (0, False), "pending": (1, True), "requires_action": (1, True), "succeeded": (2, True), "canceled": (3, False), "failed": (3, False)}  # fmt: skip
DISPUTE_STATES = {
    "": (0, False),
    "warning_needs_response": (1, False),
    "warning_under_review": (2, False),
    "warning_closed": (3, False),
    "needs_response": (4, True),
    "under_review": (5, True),
    "prevented": (6, False),
    "lost": (6, True),
    "won": (7, False),
    "appeal_needs_response": (8, True),
    "appeal_under_review": (9, True),
}
REFUSED = "refused"  # ours: Stripe would not make the refund
CHECK_AGAIN_AFTER = timedelta(minutes=1)
BATCH = 20


def refund(payment: Payment, amount: int, *, by: User, note: str = "", key: UUID | None = None) -> tuple[Reversal, bool]:
    """Give money back, for staff; the refund, and whether it is new. The credit is taken back as soon as Stripe takes the refund.

    When Stripe does not answer, it is asked again in the background. Raises ValidationError as `write_down_refund` does.
    """
    row, created = write_down_refund(payment, amount, by=by, note=note, key=key)
    return send_now(row), created


@transaction.atomic
def write_down_refund(payment: Payment, amount: int, *, by: User, note: str = "", key: UUID | None = None) -> tuple[Reversal, bool]:
    """The refund as it will be asked for, and whether it is new: with a `key` the same one is written down once. To be committed before
    send_now(). Raises ValidationError naming `amount`, or for a key that was used for something else."""
    lock_account(payment.account_id)
    known = Reversal.objects.filter(pk=key).first() if key else None
    if known is not None:
        if (known.payment_id, known.amount) != (payment.pk, amount):
            raise ValidationError("This form was sent before, for another refund: open the page anew.")
        return known, False
    if wrong := refusal(payment, amount):
        raise ValidationError({"amount": wrong})
    row = Reversal.objects.create(
        id=key or uuid7(),
        payment=payment,
        kind=ReversalKind.REFUND,
        amount=amount,
        requested_by=by,
        note=note,
        next_check_at=Now() + CHECK_AGAIN_AFTER,
    )
    return row, True


def send_now(row: Reversal) -> Reversal:
    """Asks Stripe for a refund that is written down; when it does not answer, the sweep does later."""
    try:
        send_refund(row.pk)
    except StripeUnavailable:
        log.warning("Refund %s is sent later", row.pk)
    row.refresh_from_db()
    return row


def refusal(payment: Payment, amount: int) -> str:
    """Why `amount` of a payment cannot be refunded; empty when it can. Exact under the account's lock."""
    if payment.pool_id is None:
        return "This payment was never credited."
    on_its_way = payment.reversals.exclude(status__in=_ended_without_money()).aggregate(sum=Sum("amount"))["sum"] or 0
    left = max(payment.amount - on_its_way, 0)
    if amount <= 0 or amount % NANO_PER_CENT or amount > left:
        return f"Write whole cents, at most {display_usd(left)}: that is what has not gone back yet."
    return ""


def send_refund(reversal_id: UUID) -> None:
    """Asks Stripe for a refund that staff asked for here: within a day by its idempotency key, afterwards by its metadata first."""
    row = Reversal.objects.select_related("payment").get(pk=reversal_id)
    if row.stripe_id is not None or row.status == REFUSED:
        return
    intent_id = row.payment.intent_id or ""
    made = next((back for back in stripe_client.refunds(intent_id=intent_id) if back.attempt == str(row.pk)), None)
    try:
        made = made or stripe_client.create_refund(row.pk, intent_id, row.amount // NANO_PER_CENT)
    except (WrongState, Missing) as error:
        log.error("Stripe refuses the refund %s: %s", row.pk, error)
        Reversal.objects.filter(pk=row.pk, stripe_id=None).update(status=REFUSED)
        return
    follow(ReversalKind.REFUND, made)


def send_refunds() -> int:
    """What a crash or an outage left unsent; returns how many were looked at."""
    keys = claim(Reversal.objects.filter(stripe_id=None).exclude(status=REFUSED), "next_check_at", CHECK_AGAIN_AFTER, BATCH)
    for key in keys:
        try:
            send_refund(key)
        except TROUBLE as error:
            log.warning("Refund %s is sent later: %s", key, error)
            if isinstance(error, StripeUnavailable):
                break
    return len(keys)


def follow_refunds_of(intent_id: str) -> None:
    """Books what became of all refunds of a payment. Raises StripeUnavailable."""
    for back in stripe_client.refunds(intent_id=intent_id):
        follow(ReversalKind.REFUND, back)


def follow_refund(refund_id: str) -> None:
    """Raises StripeUnavailable, Missing."""
    follow(ReversalKind.REFUND, stripe_client.refund(refund_id))


def follow_dispute(dispute_id: str) -> None:
    """Raises StripeUnavailable, Missing."""
    follow(ReversalKind.DISPUTE, stripe_client.dispute(dispute_id))


def follow(kind: ReversalKind, back: Back) -> bool:
    """Books what a refund or dispute that was seen at Stripe means; whether anything changed.

    Its payment is credited first, if that has not happened. What belongs to no payment of ours is left alone.
    """
    payment = Payment.objects.filter(intent_id=back.intent_id).first() if back.intent_id else None
    if (payment is None or payment.pool_id is None) and back.intent_id:
        payment = payments.settle_intent(stripe_client.intent(back.intent_id))
    if payment is None or payment.pool_id is None:
        return False
    known = Reversal.objects.filter(stripe_id=back.id, kind=ReversalKind.DISPUTE).first()
    again = known is not None and is_known(kind, back.status) and _rank(kind, back.status) < _rank(kind, known.status)
    if again:
        back = stripe_client.dispute(back.id)
    with transaction.atomic():
        lock_account(payment.account_id)
        return _book(_row(payment, kind, back), back, may_go_back=again)


def is_known(kind: ReversalKind, status: str) -> bool:
    """Whether it is a state that is understood here."""
    return status in _states(kind)


def _states(kind: ReversalKind) -> dict[str, tuple[int, bool]]:
    return REFUND_STATES if kind == ReversalKind.REFUND else DISPUTE_STATES


def _rank(kind: ReversalKind, status: str) -> int:
    return _states(kind).get(status, (0, False))[0]


def _row(payment: Payment, kind: ReversalKind, back: Back) -> Reversal:
    """Ours, if staff asked for it here, else one for what was done at Stripe."""
    row = Reversal.objects.filter(stripe_id=back.id).first()
    if row is None and back.attempt:
        row = next((one for one in payment.reversals.filter(stripe_id=None) if str(one.pk) == back.attempt), None)
    if row is None:
        row = Reversal(payment=payment, kind=kind, status="", amount=back.cents * NANO_PER_CENT)
    row.stripe_id = back.id
    return row


def _book(row: Reversal, back: Back, *, may_go_back: bool) -> bool:
    """Under the account's lock."""
    kind_of = ReversalKind(row.kind)
    come, gone = _states(kind_of).get(back.status, (0, False))
    if not is_known(kind_of, back.status):
        log.error("%s is in a state that is not known here: %s", back.id, back.status)
        return False
    if come < _rank(kind_of, row.status) and not may_go_back:
        return False  # older than what is known
    if back.status == row.status:
        return False
    account_id, wanted = row.payment.account_id, row.amount if gone else 0
    kind = TransactionKind.REFUND if row.kind == ReversalKind.REFUND else TransactionKind.DISPUTE
    change, row.status = wanted - row.booked, back.status
    if change:
        row.booked, row.rounds = wanted, row.rounds + 1
    row.save()
    if not change:
        return True
    reference, name = f"{back.id}:{row.rounds}", row.get_kind_display().lower()
    if change > 0:
        assert row.payment.pool_id is not None
        debts.take_back(account_id, row.payment.pool_id, change, kind, reference, name)
    else:
        debts.give_back(account_id, -change, kind, reference, f"{name}: the money came back")
    if gone and row.kind == ReversalKind.REFUND:
        owe_mail(account_id, NoticeKind.REFUNDED, back.id, payment=str(row.payment_id), amount=row.amount)
    if change > 0:  # what went back is not fetched again by itself
        auto_topup.pause(account_id, PauseReason.REFUNDED if row.kind == ReversalKind.REFUND else PauseReason.DISPUTED)
    return True


def _ended_without_money() -> list[str]:
    return [REFUSED, "canceled", "failed", "won", "prevented", "warning_closed"]
