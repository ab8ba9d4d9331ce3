"""How a payment goes on, and the one place where it becomes credit.

`advance` takes an attempt from wherever it stands to its end, and may be called by anybody at any time, also twice at once: the page
that began it, the page the browser comes back to, a webhook, the sweep that finds what a crash left behind, the reconciler. Each step
is either written down here before Stripe is asked, or can be asked of Stripe again. No call to Stripe is made under a lock.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.accounts.models import AccountStatus
from apps.billing import auto_topup, cards, debts, receipts, stripe_client
from apps.billing.claims import claim
from apps.billing.credits import grant_credit, lock_account
from apps.billing.customers import replace_customer
from apps.billing.errors import CardDeclined, Mismatch, StripeUnavailable, explanation
from apps.billing.models import (
    AutoTopup,
    Book,
    NoticeKind,
    Payment,
    PaymentMethod,
    PaymentStatus,
    PoolKind,
    Purpose,
    TransactionKind,
)
from apps.billing.models.payments import BRANDS
from apps.billing.notices import owe_mail
from apps.billing.stripe_client import TROUBLE, Intent, Missing, Session, StripeBroke, WrongState
from apps.core.moments import database_now

log = logging.getLogger(__name__)

# An attempt that has not come to an end by then is given up: nobody is charged for what they wanted an hour ago.
GIVE_UP_AFTER = timedelta(hours=1)
LEAST_OPEN = timedelta(minutes=31)  # Stripe's page is open for half an hour at least
CHECK_AGAIN_AFTER = timedelta(minutes=2)
ABANDONED, WITHDRAWN = "abandoned", "withdrawn"  # by nobody's fault: the payment is canceled, it has not failed
WITHOUT_FAULT = (ABANDONED, WITHDRAWN)
UNUSABLE = "payment_method_unusable"  # such as a card that was taken away at Stripe
LOST = "resource_missing"  # Stripe does not know it (any more)
NO_ANSWER = "authentication_required"  # nobody is there who could confirm
SLACK = timedelta(minutes=10)  # between Stripe's clock and ours
BATCH = 50


def advance(payment_id: UUID) -> Payment:
    """The payment as it stands afterwards. Raises StripeUnavailable, and Mismatch as credit_payment does."""
    payment = Payment.objects.get(pk=payment_id)
    if payment.status != PaymentStatus.OPEN:
        return payment
    try:
        intent = _intent_of_checkout(payment) if payment.purpose == Purpose.CHECKOUT else _intent_of_card(payment)
    except CardDeclined as declined:
        # Remembered before the intent is cancelled, which may make Stripe forget it.
        Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(failure_code=declined.code[:100])
        payment.refresh_from_db()
        intent = stripe_client.intent(payment.intent_id) if payment.intent_id else None
        if intent is None:
            return _end(payment, PaymentStatus.FAILED, declined.code)
    except Missing as missing:
        if not _is_late(payment):
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
    return _adopt(payment, intent.id) if payment is not None else None


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


# --- Steps ------------------------------------------------------------------------------------------------------------
def _intent_of_card(payment: Payment) -> Intent | None:
    """The intent of a charge to a saved card: found, or made and confirmed, unless it is too late for that."""
    if payment.intent_id is not None:
        intent = stripe_client.intent(payment.intent_id)
    elif _is_late(payment) or _is_withdrawn(payment):
        found = _find_intent(payment)
        if found is None:
            _end(payment, PaymentStatus.CANCELED, WITHDRAWN if _is_withdrawn(payment) else ABANDONED)
            return None
        intent = found
    else:
        intent = _make_intent(payment)
    if intent.status == "requires_confirmation" and not _is_late(payment) and not _is_withdrawn(payment):
        try:
            return stripe_client.confirm_intent(intent.id, payment.return_url)
        except (WrongState, Missing) as error:
            intent = stripe_client.intent(intent.id)
            if intent.status == "requires_confirmation":  # else it was somebody else, at the same moment
                raise CardDeclined(UNUSABLE) from error
    return intent


def _make_intent(payment: Payment) -> Intent:
    card = PaymentMethod.objects.get(pk=payment.payment_method_id or 0)
    key = f"{payment.pk}:{payment.tries}" if payment.tries else str(payment.pk)
    try:
        intent = stripe_client.create_intent(payment.pk, key, payment.customer, card.stripe_id, payment.cents)
    except StripeBroke:
        _ask_anew(payment)
        raise
    except (Missing, WrongState) as error:
        raise CardDeclined(UNUSABLE) from error
    _adopt(payment, intent.id)
    return intent


def _intent_of_checkout(payment: Payment) -> Intent | None:
    """The intent that was paid on Stripe's page. Ends the attempt when that page has expired."""
    session = _session_of(payment)
    withdrawn = _is_withdrawn(payment)
    if session is None:
        if withdrawn or _is_late(payment):
            _end(payment, PaymentStatus.CANCELED, WITHDRAWN if withdrawn else ABANDONED)
        return None
    if withdrawn and session.status == "open":
        with suppress(WrongState):  # paid at this moment, or expired
            stripe_client.expire_session(session.id)
        session = stripe_client.session(session.id)
    if session.intent_id:
        _adopt(payment, session.intent_id)
        intent = stripe_client.intent(session.intent_id)
        if intent.status == "succeeded" or session.status == "open":
            return intent
    if session.status == "expired":
        _end(payment, PaymentStatus.CANCELED, WITHDRAWN if withdrawn else ABANDONED)
    return None


def _session_of(payment: Payment) -> Session | None:
    if payment.session_id is not None:
        return stripe_client.session(payment.session_id)
    if _is_late(payment) or _is_withdrawn(payment):
        session = stripe_client.session_of_attempt(payment.customer, payment.pk, payment.created_at - SLACK)
        if session is not None:
            Payment.objects.filter(pk=payment.pk, session_id=None).update(session_id=session.id)
        return session
    return make_session(payment)


def make_session(payment: Payment) -> Session:
    """Stripe's page for a top-up. Raises StripeUnavailable, Missing, WrongState."""
    try:
        return _make_session(payment)
    except Missing:  # the customer: nothing else is named
        customer = replace_customer(payment.account, payment.customer)
        Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(customer=customer, tries=F("tries") + 1)
        payment.refresh_from_db()
        return _make_session(payment)


def _make_session(payment: Payment) -> Session:
    key = f"{payment.pk}:{payment.tries}" if payment.tries else str(payment.pk)
    expires_at, found = payment.created_at + GIVE_UP_AFTER, None
    if database_now() + LEAST_OPEN > expires_at:  # asked again, late: what was made before must not be paid besides
        key, expires_at = f"{key}:late", payment.created_at + 2 * GIVE_UP_AFTER
        found = stripe_client.session_of_attempt(payment.customer, payment.pk, payment.created_at - SLACK)
    try:
        session = found or stripe_client.create_payment_session(
            payment.pk, key, payment.customer, payment.cents, expires_at, payment.return_url, payment.cancel_url, payment.save_card
        )
    except StripeBroke:
        _ask_anew(payment)
        raise
    Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(session_id=session.id, action_url=session.url)
    return session


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
    elif _is_withdrawn(payment):
        return _give_up(payment, intent, WITHDRAWN)
    elif intent.status == "requires_action" and payment.purpose == Purpose.AUTO:
        return _give_up(payment, intent, NO_ANSWER)
    elif _is_late(payment):
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
        paid_with=_in_words(intent.paid_with),
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


def _adopt(payment: Payment, intent_id: str) -> Payment:
    """Remembers which intent is the attempt's. Raises Mismatch when it has another one: the money of that one is nobody's here."""
    try:
        Payment.objects.filter(pk=payment.pk, intent_id=None).update(intent_id=intent_id)
    except IntegrityError:
        raise Mismatch(f"{intent_id} belongs to another payment than {payment.pk}") from None
    payment.refresh_from_db()
    if payment.intent_id != intent_id:
        trouble = f"a second intent, {intent_id}, carries its id"
        Payment.objects.filter(pk=payment.pk).update(trouble=trouble)
        raise Mismatch(f"payment {payment.pk}: {trouble}")
    return payment


def _find_intent(payment: Payment) -> Intent | None:
    """By its metadata: Stripe's answer was lost, and it may have forgotten the idempotency key by now."""
    made = stripe_client.intents(payment.created_at - SLACK, payment.customer)
    found = next((intent for intent in made if intent.attempt == str(payment.pk)), None)
    if found is not None:
        _adopt(payment, found.id)
    return found


def _ask_anew(payment: Payment) -> None:
    """Stripe repeats its answer to an idempotency key, a broken one too. Nothing that is made twice takes money by itself."""
    Payment.objects.filter(pk=payment.pk, tries=payment.tries).update(tries=F("tries") + 1)


def _is_late(payment: Payment) -> bool:
    return database_now() > payment.created_at + GIVE_UP_AFTER


def _is_withdrawn(payment: Payment) -> bool:
    """Whether its owner decided against it after it was begun: closed the account, removed the card, turned auto top-up off. What
    pauses auto top-up, or suspends the account, stops an automatic charge too."""
    payment.refresh_from_db()
    account, card = payment.account, payment.payment_method
    if account.status == AccountStatus.CLOSED or (card is not None and card.removed_at is not None):
        return True
    wanted = AutoTopup.objects.filter(account=account, enabled=True, paused_at=None)
    return payment.purpose == Purpose.AUTO and (account.status != AccountStatus.ACTIVE or not wanted.exists())


def withdraw_open(account_id: int) -> None:
    """Of an account that is being closed: the next sweep takes them back at Stripe, so that nobody can pay them any more."""
    Payment.objects.filter(account_id=account_id, status=PaymentStatus.OPEN).update(next_check_at=Now())


def _in_words(paid_with: str) -> str:
    brand, _, last4 = paid_with.partition(":")
    return f"{BRANDS.get(brand, brand.replace('_', ' ').title())} ending in {last4}" if last4 else ""
