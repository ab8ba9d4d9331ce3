"""What Stripe answers, in types of ours: no more than is asked of it here, and plain values, so that nobody else depends on its library."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from apps.billing.errors import Missing

if TYPE_CHECKING:
    import stripe

METADATA = "attempt"  # the field in which the id of our row stands at Stripe


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent. Amounts in cents. `attempt`: the id of our row, as it stands there. `error`: the last decline's code.
    `paid_with` (`visa:4242`) is known when a single intent was asked for; `card_id` is the payment method's id, if there is one."""

    id: str
    status: str
    amount: int
    received: int
    currency: str
    customer: str
    livemode: bool
    attempt: str
    error: str
    action_url: str
    paid_with: str
    card_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A Checkout session. `status`: open, complete or expired."""

    id: str
    status: str
    url: str
    customer: str
    attempt: str
    intent_id: str
    setup_intent_id: str
    livemode: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A payment method that is a card. `customer` is empty when it belongs to none (any more), `fingerprint` when Stripe does not say.
    `wallet`: it was added by Apple Pay or the like, and its fingerprint is of the device's token."""

    id: str
    customer: str
    livemode: bool
    fingerprint: str
    wallet: bool
    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class Back:
    """A refund or a dispute: money on its way back. `attempt`: the id of our row, for refunds that staff asked for here."""

    id: str
    status: str
    cents: int
    intent_id: str
    attempt: str


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook event whose signature was right."""

    id: str
    type: str
    object_id: str
    livemode: bool
    created_at: datetime


def decline_of(error: Any) -> str:
    """Of a declined card the bank's reason, of other errors their code."""
    return str((error and (error.decline_code or error.code)) or "card_declined")


def id_of(value: Any) -> str:
    """Of an object, or of a field that holds an id or the object itself."""
    return "" if value is None else value if isinstance(value, str) else str(value.id)


def _attempt(metadata: Any) -> str:
    return str(metadata[METADATA]) if metadata and METADATA in metadata else ""


def intent_of(found: stripe.PaymentIntent) -> Intent:
    action = found.next_action
    redirect = action.redirect_to_url if action is not None and action.type == "redirect_to_url" else None
    method = found.payment_method
    card_used = None if method is None or isinstance(method, str) else method.card
    error = found.last_payment_error
    code = str(error.code or "") if error else ""
    return Intent(
        id=found.id,
        status=found.status,
        amount=found.amount,
        received=found.amount_received,
        currency=found.currency,
        customer=id_of(found.customer),
        livemode=found.livemode,
        attempt=_attempt(found.metadata),
        error=code if code.endswith("authentication_failure") else decline_of(error) if error else "",
        action_url=(redirect.url or "") if redirect else "",
        paid_with=f"{card_used.brand}:{card_used.last4}" if card_used else "",
        card_id=id_of(method),
    )


def session_of(found: stripe.checkout.Session) -> Session:
    return Session(
        id=found.id,
        status=found.status or "",
        url=found.url or "",
        customer=id_of(found.customer),
        attempt=found.client_reference_id or "",
        intent_id=id_of(found.payment_intent),
        setup_intent_id=id_of(found.setup_intent),
        livemode=found.livemode,
    )


def card_of(found: stripe.PaymentMethod) -> Card:
    if found.card is None:
        raise Missing(f"{found.id} is not a card")
    return Card(
        id=found.id,
        customer=id_of(found.customer),
        livemode=found.livemode,
        fingerprint=found.card.fingerprint or "",
        wallet=found.card.wallet is not None,
        brand=found.card.brand,
        last4=found.card.last4,
        exp_month=found.card.exp_month,
        exp_year=found.card.exp_year,
    )


def back_of(found: stripe.Refund | stripe.Dispute) -> Back:
    return Back(found.id, found.status or "", found.amount, id_of(found.payment_intent), _attempt(found.metadata))
