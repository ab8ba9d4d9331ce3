"""What can go wrong with a payment, in words for customers."""

from __future__ import annotations

from apps.core.money import display_usd


class BillingError(Exception):
    """Its text may be shown to the customer."""


class PaymentsNotOffered(BillingError):
    """This platform has no payment provider."""

    def __init__(self) -> None:
        super().__init__("This platform takes no payments.")


class StripeUnavailable(BillingError):
    """Stripe did not answer, or answered with an error of its own. What was asked for may have happened: it is looked up later."""

    def __init__(self) -> None:
        super().__init__("Our payment provider does not answer just now. Nothing is charged twice: try again in a few minutes.")


class Refused(BillingError):
    """Stripe refused what it was asked for, and would refuse it again."""

    def __init__(self) -> None:
        super().__init__("Our payment provider refused this, and nothing was charged. Open the page anew, or write to support.")


class TooManyAttempts(BillingError):
    """Throttled, against card testing."""

    def __init__(self) -> None:
        super().__init__("Too many attempts with payment methods. Wait an hour, or write to support.")


class SentBefore(BillingError):
    """A top-up was begun with this form already, from another tab perhaps, and it was another one or is long done."""

    def __init__(self, nano: int) -> None:
        super().__init__(f"A top-up of {display_usd(nano)} was begun with this form already. Send it again to pay this one as well.")


class CardDeclined(BillingError):
    """`code` is Stripe's decline code, or its error code."""

    def __init__(self, code: str) -> None:
        super().__init__(explanation(code))
        self.code = code


class Mismatch(Exception):
    """Money at Stripe is not what we asked for: nothing is credited, and staff look at it."""


class StripeBroke(StripeUnavailable):
    """Status 500 and above."""


class Missing(Exception):
    """There is no such thing at Stripe."""


class WrongState(Exception):
    """It is in a state in which this cannot be done (any more)."""


# What may go wrong with one payment of many, and must not keep the others from going on.
TROUBLE = (BillingError, Mismatch, Missing, WrongState)

# Decline codes after which the same card will not work by trying again.
HARD_DECLINES = frozenset(
    {"expired_card", "lost_card", "stolen_card", "pickup_card", "incorrect_number", "invalid_account", "invalid_number", "card_not_supported",
     "currency_not_supported", "restricted_card", "revocation_of_all_authorizations", "revocation_of_authorization", "stop_payment_order",
     "new_account_information_available", "fraudulent"}
)  # fmt: skip
AUTHENTICATION = frozenset({"authentication_required", "authentication_not_handled", "payment_intent_authentication_failure"})

EXPLANATIONS = {
    "insufficient_funds": "The card has too little money on it.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The security code was wrong.",
    "processing_error": "The card's bank could not process it. Try again in a moment.",
    "authentication_required": "Your bank asks you to confirm this payment.",
    "payment_intent_authentication_failure": "The payment was not confirmed with your bank.",
    "withdrawn": "It was called off before anything was charged.",
    "resource_missing": "Our payment provider does not know this payment. Nothing was credited.",
    "abandoned": "The payment was not completed in time.",
}


def explanation(code: str) -> str:
    """For the customer, who is not told that a card was reported lost or stolen."""
    return EXPLANATIONS.get(code, "The card was declined. Use another one, or ask your bank.")
