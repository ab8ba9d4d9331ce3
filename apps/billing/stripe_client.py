"""The one door to Stripe: each function is one HTTP call (a listing: one for each page), answered in types of ours.

Raises CardDeclined when a bank said no; StripeBroke when Stripe answered with an error of its own, which it will repeat for the same
idempotency key; StripeUnavailable when the outcome is not known; Missing when there is no such thing; WrongState when the thing has
moved on, so that it has to be looked at again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.utils.functional import SimpleLazyObject

from apps.billing.errors import CardDeclined, Missing, PaymentsNotOffered, Refused, StripeBroke, StripeUnavailable, WrongState
from apps.billing.stripe_objects import (
    METADATA,
    Back,
    Card,
    Event,
    Intent,
    Session,
    back_of,
    card_of,
    decline_of,
    id_of,
    intent_of,
    session_of,
)

if TYPE_CHECKING:
    import stripe
else:  # importing it costs a second and 34 MB, which processes are spared that ask Stripe nothing
    stripe = SimpleLazyObject(lambda: import_module("stripe"))

log = logging.getLogger(__name__)

CURRENCY = "usd"
CONNECT_TIMEOUT_S = 5
RETRIES = 1  # by the library, with the same idempotency key
PAGE = 100


@contextmanager
def refusals_in_words() -> Iterator[None]:
    """For what customers ask for: Missing and WrongState become Refused, which can be shown to them."""
    try:
        yield
    except (Missing, WrongState) as error:
        log.error("Stripe refuses what a customer asked for: %s", error)
        raise Refused from error


def configured() -> bool:
    """Whether this platform takes payments."""
    return bool(settings.STRIPE_SECRET_KEY)


# --- Customers and cards ----------------------------------------------------------------------------------------------
def create_customer(account_id: int, email: str | None, key: str) -> str:
    with _translated():
        made = _client().v1.customers.create(
            {"metadata": {"account": str(account_id)}, **({"email": email} if email else {})}, {"idempotency_key": key}
        )
    return made.id


def card(card_id: str) -> Card:
    with _translated():
        found = _client().v1.payment_methods.retrieve(card_id)
    return card_of(found)


def detach_card(card_id: str) -> None:
    """Nothing happens where it is not attached any more."""
    try:
        with _translated():
            _client().v1.payment_methods.detach(card_id)
    except (Missing, WrongState):
        pass


# --- Checkout ---------------------------------------------------------------------------------------------------------
def create_setup_session(attempt: UUID, customer: str, return_url: str, cancel_url: str) -> Session:
    with _translated():
        made = _client().v1.checkout.sessions.create(
            {
                "mode": "setup",
                "customer": customer,
                "currency": CURRENCY,
                "allowed_payment_method_types": ["card"],
                "client_reference_id": str(attempt),
                "metadata": {METADATA: str(attempt)},
                "success_url": return_url,
                "cancel_url": cancel_url,
            },
            {"idempotency_key": str(attempt)},
        )
    return session_of(made)


def create_payment_session(
    attempt: UUID, key: str, customer: str, cents: int, expires_at: datetime, return_url: str, cancel_url: str, save_card: bool
) -> Session:
    with _translated():
        made = _client().v1.checkout.sessions.create(
            {
                "mode": "payment",
                "customer": customer,
                "allowed_payment_method_types": ["card"],
                "client_reference_id": str(attempt),
                "metadata": {METADATA: str(attempt)},
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {"currency": CURRENCY, "unit_amount": cents, "product_data": {"name": "Credit for inference"}},
                    }
                ],
                "payment_intent_data": {
                    "metadata": {METADATA: str(attempt)},
                    **({"setup_future_usage": "off_session"} if save_card else {}),
                },
                "expires_at": int(expires_at.timestamp()),
                "success_url": return_url,
                "cancel_url": cancel_url,
            },
            {"idempotency_key": key},
        )
    return session_of(made)


def session(session_id: str) -> Session:
    with _translated():
        found = _client().v1.checkout.sessions.retrieve(session_id)
    return session_of(found)


def session_of_attempt(customer: str, attempt: UUID, since: datetime) -> Session | None:
    """The customer's session for this attempt, looked for among those made from `since` on."""
    with _translated():
        listed = _client().v1.checkout.sessions.list({"customer": customer, "created": {"gte": int(since.timestamp())}, "limit": PAGE})
        return next((session_of(found) for found in listed.auto_paging_iter() if id_of(found.client_reference_id) == str(attempt)), None)


def expire_session(session_id: str) -> None:
    """So that it cannot be paid any more. WrongState when it was paid or has expired."""
    with _translated():
        _client().v1.checkout.sessions.expire(session_id)


def card_of_setup(setup_intent_id: str) -> Card | None:
    """The card that was verified; None while there is none."""
    with _translated():
        found = _client().v1.setup_intents.retrieve(setup_intent_id)
    return card(id_of(found.payment_method)) if found.status == "succeeded" and found.payment_method else None


# --- Payments ---------------------------------------------------------------------------------------------------------
def create_intent(attempt: UUID, key: str, customer: str, card_id: str, cents: int) -> Intent:
    """Takes no money: that is what confirming does."""
    with _translated():
        made = _client().v1.payment_intents.create(
            {
                "amount": cents,
                "currency": CURRENCY,
                "customer": customer,
                "payment_method": card_id,
                "allowed_payment_method_types": ["card"],
                "description": "Credit for inference",
                "metadata": {METADATA: str(attempt)},
            },
            {"idempotency_key": key},
        )
    return intent_of(made)


def confirm_intent(intent_id: str, return_url: str) -> Intent:
    """Takes the money, with the customer there when `return_url` says where to come back to. An intent is paid once at most: no
    idempotency key is needed."""
    with _translated():
        done = (
            _client().v1.payment_intents.confirm(intent_id, {"return_url": return_url})
            if return_url
            else _client().v1.payment_intents.confirm(intent_id, {"off_session": True})
        )
    return intent_of(done)


def cancel_intent(intent_id: str) -> None:
    """So that it cannot be paid any more. WrongState when it was."""
    with _translated():
        _client().v1.payment_intents.cancel(intent_id)


def intent(intent_id: str) -> Intent:
    with _translated():
        found = _client().v1.payment_intents.retrieve(intent_id, {"expand": ["payment_method"]})
    return intent_of(found)


def intents(since: datetime, customer: str = "") -> Iterator[Intent]:
    """Made from `since` on, the newest first; of one customer or of all."""
    with _translated():
        asked: Any = {"created": {"gte": int(since.timestamp())}, "limit": PAGE, **({"customer": customer} if customer else {})}
        for found in _client().v1.payment_intents.list(asked).auto_paging_iter():
            yield intent_of(found)


# --- Money that goes back ---------------------------------------------------------------------------------------------
def create_refund(attempt: UUID, intent_id: str, cents: int) -> Back:
    with _translated():
        made = _client().v1.refunds.create(
            {"payment_intent": intent_id, "amount": cents, "metadata": {METADATA: str(attempt)}}, {"idempotency_key": str(attempt)}
        )
    return back_of(made)


def refunds(since: datetime | None = None, intent_id: str = "") -> Iterator[Back]:
    """Of one payment, or of all made from `since` on; the newest first."""
    with _translated():
        asked: Any = {"limit": PAGE, **({"payment_intent": intent_id} if intent_id else {})}
        if since is not None:
            asked["created"] = {"gte": int(since.timestamp())}
        for found in _client().v1.refunds.list(asked).auto_paging_iter():
            yield back_of(found)


def refund(refund_id: str) -> Back:
    with _translated():
        return back_of(_client().v1.refunds.retrieve(refund_id))


def dispute(dispute_id: str) -> Back:
    with _translated():
        return back_of(_client().v1.disputes.retrieve(dispute_id))


def disputes(since: datetime) -> Iterator[Back]:
    with _translated():
        for found in _client().v1.disputes.list({"created": {"gte": int(since.timestamp())}, "limit": PAGE}).auto_paging_iter():
            yield back_of(found)


def intent_of_charge(charge_id: str) -> str:
    """Empty for a charge without a PaymentIntent."""
    with _translated():
        return id_of(_client().v1.charges.retrieve(charge_id).payment_intent)


# --- Webhooks ---------------------------------------------------------------------------------------------------------
def verified_event(payload: bytes, signature: str) -> Event | None:
    """The event of a webhook's raw body; None when the signature is wrong, older than five minutes, or cannot be checked."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        return None
    try:
        found = stripe.Webhook.construct_event(payload, signature, settings.STRIPE_WEBHOOK_SECRET)
        return Event(found.id, found.type, id_of(found.data.object), found.livemode, datetime.fromtimestamp(found.created, UTC))
    except (ValueError, stripe.SignatureVerificationError, AttributeError, TypeError, KeyError):
        return None


# --- Underneath -------------------------------------------------------------------------------------------------------
def _client() -> stripe.StripeClient:
    if not configured():
        raise PaymentsNotOffered
    return _client_of(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_S)


@lru_cache(maxsize=4)
def _client_of(key: str, base: str, timeout_s: float) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": base} if base else {},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)),
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Stripe's errors become those that this module raises."""
    try:
        yield
    except stripe.CardError as error:
        raise CardDeclined(decline_of(error.error)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.error("Stripe refuses STRIPE_SECRET_KEY: %s", error.user_message or type(error).__name__)
        raise StripeUnavailable from error
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise Missing(str(error)) from error
        raise WrongState(str(error)) from error
    except stripe.StripeError as error:
        log.warning("Stripe: %s %s", type(error).__name__, error)
        if error.http_status is not None and error.http_status >= 500:
            raise StripeBroke from error
        raise StripeUnavailable from error
