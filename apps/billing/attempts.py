"""What an attempt has at Stripe: its intent or its page, found or made. Nothing here takes money but the confirming of a card's intent."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.db import IntegrityError
from django.db.models import F

from apps.accounts.models import AccountStatus
from apps.billing import stripe_client
from apps.billing.customers import replace_customer
from apps.billing.errors import CardDeclined, Mismatch, Missing, StripeBroke, WrongState
from apps.billing.models import AutoTopup, Payment, PaymentMethod, PaymentStatus, Purpose
from apps.billing.stripe_objects import Intent, Session
from apps.core.moments import database_now

# An attempt that has not come to an end by then is given up: nobody is charged for what they wanted an hour ago.
GIVE_UP_AFTER = timedelta(hours=1)
LEAST_OPEN = timedelta(minutes=31)  # Stripe's page is open for half an hour at least
ABANDONED, WITHDRAWN = "abandoned", "withdrawn"
UNUSABLE = "payment_method_unusable"  # such as a card that was taken away at Stripe
SLACK = timedelta(minutes=10)  # between Stripe's clock and ours


class GivenUp(Exception):
    """Nothing at Stripe can be paid for it (any more), by nobody's fault. `code`: ABANDONED or WITHDRAWN."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def intent_for(payment: Payment) -> Intent | None:
    """The intent of an open attempt as it stands now; None while its page at Stripe has none. Makes whatever is not there yet, and
    confirms a card's, unless the attempt is too late or was withdrawn.

    Raises GivenUp, CardDeclined, StripeUnavailable, Missing, WrongState, Mismatch.
    """
    return _intent_of_checkout(payment) if payment.purpose == Purpose.CHECKOUT else _intent_of_card(payment)


def _intent_of_card(payment: Payment) -> Intent:
    """The intent of a charge to a saved card: found, or made and confirmed, unless it is too late for that."""
    if payment.intent_id is not None:
        intent = stripe_client.intent(payment.intent_id)
    elif is_late(payment) or is_withdrawn(payment):
        found = _find_intent(payment)
        if found is None:
            raise _given_up(payment)
        intent = found
    else:
        intent = _make_intent(payment)
    if intent.status == "requires_confirmation" and not is_late(payment) and not is_withdrawn(payment):
        try:
            return stripe_client.confirm_intent(intent.id, payment.return_url)
        except (WrongState, Missing) as error:
            intent = stripe_client.intent(intent.id)
            if intent.status == "requires_confirmation":  # else it was somebody else, at the same moment
                raise CardDeclined(UNUSABLE) from error
    return intent


def _make_intent(payment: Payment) -> Intent:
    card = PaymentMethod.objects.get(pk=payment.payment_method_id or 0)
    try:
        intent = stripe_client.create_intent(payment.pk, payment.idempotency_key, payment.customer, card.stripe_id, payment.cents)
    except StripeBroke:
        _ask_anew(payment)
        raise
    except (Missing, WrongState) as error:
        raise CardDeclined(UNUSABLE) from error
    adopt(payment, intent.id)
    return intent


def _intent_of_checkout(payment: Payment) -> Intent | None:
    """The intent that was paid on Stripe's page."""
    session = _session_of(payment)
    withdrawn = is_withdrawn(payment)
    if session is None:
        raise _given_up(payment)
    if withdrawn and session.status == "open":
        with suppress(WrongState):  # paid at this moment, or expired
            stripe_client.expire_session(session.id)
        session = stripe_client.session(session.id)
    if session.intent_id:
        adopt(payment, session.intent_id)
        intent = stripe_client.intent(session.intent_id)
        if intent.status == "succeeded" or session.status == "open":
            return intent
    if session.status == "expired":
        raise _given_up(payment)
    return None


def _session_of(payment: Payment) -> Session | None:
    """None when there is none and it is too late to make one."""
    if payment.session_id is not None:
        return stripe_client.session(payment.session_id)
    if is_late(payment) or is_withdrawn(payment):
        session = stripe_client.session_of_attempt(payment.customer, payment.pk, payment.created_at - SLACK)
        if session is not None:
            Payment.objects.filter(pk=payment.pk, session_id=None).update(session_id=session.id)
        return session
    return _session_anew(payment)


def _session_anew(payment: Payment) -> Session:
    """Stripe's page for a top-up. Raises StripeUnavailable, Missing, WrongState."""
    try:
        return _make_session(payment)
    except Missing:  # the customer: nothing else is named
        customer = replace_customer(payment.account, payment.customer)
        Payment.objects.filter(pk=payment.pk, status=PaymentStatus.OPEN).update(customer=customer, tries=F("tries") + 1)
        payment.refresh_from_db()
        return _make_session(payment)


def _make_session(payment: Payment) -> Session:
    key = payment.idempotency_key
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


def adopt(payment: Payment, intent_id: str) -> Payment:
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
        adopt(payment, found.id)
    return found


def _ask_anew(payment: Payment) -> None:
    """Stripe repeats its answer to an idempotency key, a broken one too. Nothing that is made twice takes money by itself."""
    Payment.objects.filter(pk=payment.pk, tries=payment.tries).update(tries=F("tries") + 1)


def is_late(payment: Payment) -> bool:
    return database_now() > payment.created_at + GIVE_UP_AFTER


def is_withdrawn(payment: Payment) -> bool:
    """Whether its owner decided against it after it was begun: closed the account, removed the card, turned auto top-up off. What
    pauses auto top-up, or suspends the account, stops an automatic charge too."""
    payment.refresh_from_db()
    account, card = payment.account, payment.payment_method
    if account.status == AccountStatus.CLOSED or (card is not None and card.removed_at is not None):
        return True
    wanted = AutoTopup.objects.filter(account=account, enabled=True, paused_at=None)
    return payment.purpose == Purpose.AUTO and (account.status != AccountStatus.ACTIVE or not wanted.exists())


def _given_up(payment: Payment) -> GivenUp:
    return GivenUp(WITHDRAWN if is_withdrawn(payment) else ABANDONED)
