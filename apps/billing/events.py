"""Webhook events: each is kept once, answered at once, and worked on afterwards. An event only says where to look."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.billing import cards, payments, reversals, stripe_client
from apps.billing.claims import claim
from apps.billing.errors import TROUBLE, Mismatch, Missing, StripeUnavailable
from apps.billing.models import CardSetup, Payment, StripeEvent
from apps.billing.stripe_objects import Event

log = logging.getLogger(__name__)

TRY_AGAIN_AFTER = timedelta(seconds=30)
MOST_ATTEMPTS = 30
BATCH = 50


def keep(event: Event) -> bool:
    """Whether it is new. Committed when it returns."""
    row = StripeEvent(id=event.id, type=event.type[:100], object_id=event.object_id, created_at=event.created_at)
    row.next_try_at = Now() + TRY_AGAIN_AFTER  # whoever received it hands it to a worker
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def process(event_id: str) -> bool:
    """Work on an event that was kept. Repeating it changes nothing more. What goes wrong is kept with it, and tried again.

    False when Stripe could not be asked.
    """
    event = StripeEvent.objects.get(pk=event_id)
    if event.processed_at is not None:
        return True
    StripeEvent.objects.filter(pk=event_id).update(attempts=F("attempts") + 1, next_try_at=Now() + TRY_AGAIN_AFTER * (event.attempts + 1))
    try:
        _handler_of(event.type)(event.object_id)
    except TROUBLE as error:
        StripeEvent.objects.filter(pk=event_id).update(error=f"{type(error).__name__}: {error}"[:1000])
        if not isinstance(error, (Missing, Mismatch)):  # which will be no better next time
            return not isinstance(error, StripeUnavailable)
    except Exception as error:  # of our own: no other event waits for it, and this one is tried again
        log.exception("The event %s (%s) could not be worked on", event_id, event.type)
        StripeEvent.objects.filter(pk=event_id).update(error=f"{type(error).__name__}: {error}"[:1000])
        return True
    else:
        StripeEvent.objects.filter(pk=event_id).update(error="")
    StripeEvent.objects.filter(pk=event_id).update(processed_at=Now())
    return True


def process_waiting() -> int:
    """What was kept and not handed to a worker, or failed; returns how many were looked at."""
    keys = claim(StripeEvent.objects.filter(processed_at=None, attempts__lt=MOST_ATTEMPTS), "next_try_at", TRY_AGAIN_AFTER, BATCH)
    for number, key in enumerate(keys):
        if not process(key):
            return number + 1  # Stripe is away: the others would wait in vain
    return len(keys)


def replay(event_id: str) -> StripeEvent:
    """For staff: work on it once more, whatever became of it."""
    StripeEvent.objects.filter(pk=event_id).update(processed_at=None, error="")
    process(event_id)
    return StripeEvent.objects.get(pk=event_id)


def _handler_of(kind: str) -> Callable[[str], None]:
    for prefix, handler in HANDLERS.items():
        if kind.startswith(prefix):
            return handler
    return _nothing


def _session(session_id: str) -> None:
    """By its reference it is one of ours: a top-up, or the adding of a card."""
    session = stripe_client.session(session_id)
    attempt = session.attempt
    payment = Payment.objects.filter(session_id=session_id).first() or _by_id(Payment, attempt)
    if isinstance(payment, Payment):
        Payment.objects.filter(pk=payment.pk, session_id=None).update(session_id=session_id)
        if session.intent_id:
            _intent(session.intent_id)
        else:
            payments.advance(payment.pk)
        return
    setup = CardSetup.objects.filter(session_id=session_id).first() or _by_id(CardSetup, attempt)
    if isinstance(setup, CardSetup):
        CardSetup.objects.filter(pk=setup.pk, session_id=None).update(session_id=session_id)
        cards.finish_setup(setup.pk)


def _intent(intent_id: str) -> None:
    payments.settle_intent(stripe_client.intent(intent_id))


def _charge(charge_id: str) -> None:
    intent_id = stripe_client.intent_of_charge(charge_id)
    if intent_id:
        reversals.follow_refunds_of(intent_id)


def _nothing(object_id: str) -> None:
    """Events of other kinds are kept, and are nothing to us."""


def _by_id(model: type[Payment] | type[CardSetup], text: str) -> Payment | CardSetup | None:
    try:
        return model._default_manager.filter(pk=text).first() if text else None
    except (ValueError, ValidationError):  # a reference that somebody else gave
        return None


# By the beginning of the event's type; the first that fits.
HANDLERS: dict[str, Callable[[str], None]] = {
    "checkout.session.": _session,
    "payment_intent.": _intent,
    "charge.refund.": reversals.follow_refund,
    "refund.": reversals.follow_refund,
    "charge.refunded": _charge,
    "charge.dispute.": reversals.follow_dispute,
    "payment_method.": cards.look_at_card,
}
