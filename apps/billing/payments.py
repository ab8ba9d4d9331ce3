"""How a payment goes on, and the one place where it becomes credit.

`advance` takes an attempt from wherever it stands to its end, and may be called by anybody at any time, also twice at once: the page
that began it, the page the browser comes back to, a webhook, the sweep that finds what a crash left behind, the reconciler. Each step
is either written down here before Stripe is asked, or can be asked of Stripe again. No call to Stripe is made under a lock.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import AccountStatus
from apps.billing import auto_topup, cards, debts, receipts, stripe_client
from apps.billing.attempts import ABANDONED, UNUSABLE, WITHDRAWN, GivenUp, adopt, intent_for, is_late, is_withdrawn
from apps.billing.claims import claim
from apps.billing.credits import grant_credit, lock_account
from apps.billing.errors import TROUBLE, CardDeclined, Mismatch, Missing, StripeUnavailable, WrongState, explanation
from apps.billing.models import (
    AutoTopup,
    Book,
    NoticeKind,
    Payment,
    PaymentStatus,
    PoolKind,
    Purpose,
    TransactionKind,
)
from apps.billing.models.payments import card_in_words
from apps.billing.notices import owe_mail
from apps.billing.stripe_objects import Intent

log = logging.getLogger(__name__)

CHECK_AGAIN_AFTER = timedelta(minutes=2)
WITHOUT_FAULT = (ABANDONED, WITHDRAWN)  # the payment is canceled, it has not failed
LOST = "resource_missing"  # Stripe does not know it (any more)
NO_ANSWER = "authentication_required"  # nobody is there who could confirm
BATCH = 50


def advance(payment_id: UUID) -> Payment:
    """The payment as it stands afterwards. Raises StripeUnavailable, and Mismatch as credit_payment does."""
    payment = Payment.objects.get(pk=payment_id)
    if payment.status != PaymentStatus.OPEN:
        return payment
    try:
        intent = intent_for(payment)
    except GivenUp as given_up:
        return _end(payment, PaymentStatus.CANCELED, given_up.code)
    except CardDeclined as declined:
        # Remembered before the intent is cancelled, which may make Stripe forget it.
        Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(failure_code=declined.code[:100])
        payment.refresh_from_db()
        intent = stripe_client.intent(payment.intent_id) if payment.intent_id else None
        if intent is None:
            return _end(payment, PaymentStatus.FAILED, declined.code)
    except Missing as missing:
        if not is_late(payment):
            raise
        Payment.objects.filter(pk=payment.pk).update(trouble=f"Stripe does not know it: {missing}")
        log.error("Payment %s is given up, Stripe does not know it: %s", payment.pk, missing)
        return _end(payment, PaymentStatus.FAILED, LOST)
    if intent is not None:
        return _follow(payment, intent)
    payment.refresh_from_db()
    return payment


def credit_payment(payment_id: UUID) -> Payment:
    """Turn a payment that succeeded into credit, once, whoever comes first and however many come at once.

    It asks Stripe itself, and credits only what is as it should be: status, amount, currency, customer, mode, and our id in it.
    Raises Mismatch otherwise, after writing down why; StripeUnavailable; Payment.DoesNotExist.
    """
    payment = Payment.objects.get(pk=payment_id)
    if payment.pool_id is not None:
        return payment
    if payment.intent_id is None:
        raise Mismatch(f"payment {payment.pk} has no intent at Stripe yet")
    intent = stripe_client.intent(payment.intent_id)
    if trouble := _what_is_wrong(payment, intent):
        Payment.objects.filter(pk=payment.pk).update(trouble=trouble)
        log.error("Payment %s (%s) is not credited: %s", payment.pk, intent.id, trouble)
        raise Mismatch(trouble)
    with transaction.atomic():
        lock_account(payment.account_id)
        payment.refresh_from_db()
        if payment.pool_id is None:
            _book(payment, intent)
    receipts.issue(payment.pk)
    if payment.save_card:
        _keep_card(payment, intent.card_id)
    payment.refresh_from_db()
    return payment


def payment_of_intent(intent: Intent) -> Payment | None:
    """The attempt that an intent belongs to; None for what was not made by us. An intent found by its metadata is adopted."""
    payment = Payment.objects.filter(intent_id=intent.id).first()
    if payment is not None or not intent.attempt:
        return payment
    try:
        payment = Payment.objects.filter(pk=UUID(intent.attempt)).first()
    except ValueError:
        return None
    return adopt(payment, intent.id) if payment is not None else None


def settle_intent(intent: Intent) -> Payment | None:
    """What an intent that was seen at Stripe means for its attempt: what `advance` does, and late money is credited too."""
    payment = payment_of_intent(intent)
    if payment is None or payment.pool_id is not None:
        return payment
    if intent.status == "succeeded":
        return credit_payment(payment.pk)
    return advance(payment.pk)


def advance_open() -> int:
    """Goes on with attempts that nobody has gone on with for two minutes; returns how many were looked at."""
    due = Payment.objects.filter(status=PaymentStatus.OPEN)
    keys = claim(due, "next_check_at", CHECK_AGAIN_AFTER, BATCH)
    for key in keys:
        try:
            advance(key)
        except TROUBLE as error:
            log.warning("Payment %s goes on later: %s", key, error)
            if isinstance(error, StripeUnavailable):
                break  # the others would wait in vain, and everybody else for this worker
    return len(keys)


def keep_cards() -> int:
    """Keeps the cards that were to be kept when Stripe, or we, went away; returns how many were looked at."""
    due = Payment.objects.filter(save_card=True, status=PaymentStatus.SUCCEEDED, livemode=settings.STRIPE_LIVE)
    keys = claim(due, "next_check_at", CHECK_AGAIN_AFTER, BATCH)
    for payment in Payment.objects.filter(pk__in=keys):
        try:
            _keep_card(payment, stripe_client.intent(payment.intent_id or "").card_id)
        except TROUBLE as error:
            log.warning("The card of payment %s is kept later: %s", payment.pk, error)
            if isinstance(error, StripeUnavailable):
                break
    return len(keys)


def withdraw_open(account_id: int) -> None:
    """Of an account that is being closed: the next sweep takes them back at Stripe, so that nobody can pay them any more."""
    Payment.objects.filter(account_id=account_id, status=PaymentStatus.OPEN).update(next_check_at=Now())


# --- Steps ------------------------------------------------------------------------------------------------------------
def _follow(payment: Payment, intent: Intent) -> Payment:
    """What the state of its intent means for an open attempt."""
    if intent.status == "succeeded":
        return credit_payment(payment.pk)
    if intent.status == "canceled":
        code = payment.failure_code or intent.error
        return _end(payment, PaymentStatus.FAILED if code and code not in WITHOUT_FAULT else PaymentStatus.CANCELED, code or ABANDONED)
    if payment.purpose == Purpose.CHECKOUT or intent.status == "processing":
        pass  # the customer may try another card, or the bank has not said yet
    elif intent.status == "requires_payment_method" or payment.failure_code == UNUSABLE:
        return _give_up(payment, intent, payment.failure_code or intent.error or "card_declined")
    elif is_withdrawn(payment):
        return _give_up(payment, intent, WITHDRAWN)
    elif intent.status == "requires_action" and payment.purpose == Purpose.AUTO:
        return _give_up(payment, intent, NO_ANSWER)
    elif is_late(payment):
        return _give_up(payment, intent, ABANDONED)
    elif intent.action_url:
        Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(action_url=intent.action_url)
    payment.refresh_from_db()
    return payment


def _give_up(payment: Payment, intent: Intent, code: str) -> Payment:
    """First at Stripe, so that nobody can pay it any more; if somebody just did, it is credited."""
    Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(failure_code=code)
    try:
        stripe_client.cancel_intent(intent.id)
    except WrongState:
        now = stripe_client.intent(intent.id)
        if now.status == "succeeded":
            return credit_payment(payment.pk)
        if now.status != "canceled":
            return payment  # it moves: the next look will tell
    return _end(payment, PaymentStatus.CANCELED if code in WITHOUT_FAULT else PaymentStatus.FAILED, code)


@transaction.atomic
def _end(payment: Payment, status: PaymentStatus, code: str) -> Payment:
    """Without money. Whoever is second finds that it has ended."""
    lock_account(payment.account_id)
    ended = Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(
        status=status, failure_code=code, action_url="", concluded_at=Now()
    )
    payment.refresh_from_db()
    if ended and payment.purpose == Purpose.AUTO and code != WITHDRAWN:
        auto_topup.charge_failed(payment, code, explanation(code))
    return payment


def _book(payment: Payment, intent: Intent) -> None:
    """Under the account's lock."""
    grant = grant_credit(
        payment.account_id,
        payment.amount,
        PoolKind.PURCHASED,
        intent.id,
        transaction_kind=TransactionKind.PURCHASE,
        book=Book.CASH,
        note=payment.get_purpose_display().lower(),
    )
    Payment.objects.filter(pk=payment.pk).update(
        status=PaymentStatus.SUCCEEDED,
        pool=grant.pool_id,
        paid_with=card_in_words(*intent.paid_with.split(":")),
        failure_code="",
        action_url="",
        trouble="",
        concluded_at=Now(),
    )
    debts.collect(payment.account_id)
    automatic = payment.purpose == Purpose.AUTO
    kind = NoticeKind.AUTO_TOPUP_DONE if automatic else NoticeKind.RECEIPT
    owe_mail(payment.account_id, kind, str(payment.pk), payment=str(payment.pk))
    if automatic:
        AutoTopup.objects.filter(account_id=payment.account_id).update(failures=0, next_try_at=Now() + auto_topup.REST_AFTER_SUCCESS)
    elif payment.payment_method is not None and payment.payment_method.is_default:
        auto_topup.resumed(payment.account_id)  # the card works again


def _keep_card(payment: Payment, card_id: str) -> None:
    """The card that the customer asked us to keep while paying. The credit does not hang on it; the sweep tries again."""
    try:
        if card_id and payment.account.status != AccountStatus.CLOSED:
            cards.add_paid_with(payment.account_id, payment.customer, card_id)
    except StripeUnavailable as error:
        log.warning("The card of payment %s is kept later: %s", payment.pk, error)
        return
    except TROUBLE as trouble:
        log.warning("The card of payment %s cannot be kept: %s", payment.pk, trouble)
    Payment.objects.filter(pk=payment.pk).update(save_card=False)


def _what_is_wrong(payment: Payment, intent: Intent) -> str:
    """Empty when the intent is what was asked for, and was paid."""
    checks = {
        "status": (intent.status, "succeeded"),
        "amount": (intent.amount, payment.cents),
        "amount received": (intent.received, payment.cents),
        "currency": (intent.currency, stripe_client.CURRENCY),
        "customer": (intent.customer, payment.customer),
        "livemode": (intent.livemode, payment.livemode),
        "mode of this platform": (intent.livemode, settings.STRIPE_LIVE),
        "attempt": (intent.attempt, str(payment.pk)),
    }
    return "; ".join(f"{what} is {found!r}, not {wanted!r}" for what, (found, wanted) in checks.items() if found != wanted)
