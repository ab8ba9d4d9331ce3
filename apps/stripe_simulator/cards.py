"""The test cards, by what happens to them: https://docs.stripe.com/testing. No other card is accepted, as in Stripe's test mode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
OWN_CODES = {"expired_card", "incorrect_cvc", "processing_error"}  # these are codes of their own; the rest are reasons of card_declined


@dataclass(frozen=True, slots=True)
class Card:
    """`decline`: why charges fail. `accepted`: it can be saved all the same. `ready_made`: the id by which the API
    knows a card of this kind. `authentication`: when 3-D Secure is asked for:
    never, at every payment, or at those after which it was not saved for payments without its owner."""

    number: str
    brand: str = "visa"
    ready_made: str = ""
    label: str = ""
    decline: str = ""
    accepted: bool = False
    authentication: Literal["never", "always", "unless_saved"] = "never"
    dispute: str = ""
    refund: Literal["succeeded", "pending", "failed"] = "succeeded"
    country: str = "US"
    funding: str = "credit"

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def saveable(self) -> bool:
        return not self.decline or self.accepted

    @property
    def fingerprint(self) -> str:
        """Names the number, whoever's customer uses it."""
        return hashlib.sha256(f"card:{self.number}".encode()).hexdigest()[:16]


KNOWN = (
    Card("4242424242424242", ready_made="pm_card_visa", label="Succeeds"),
    Card("4000002500003155", ready_made="pm_card_authenticationRequiredOnSetup", label="Asks for 3-D Secure when saved", authentication="unless_saved"),
    Card("4000002760003184", ready_made="pm_card_authenticationRequired", label="Asks for 3-D Secure at every payment", authentication="always"),
    Card("4000000000000002", ready_made="pm_card_visa_chargeDeclined", label="Is declined", decline="generic_decline"),
    Card("4000000000009995", ready_made="pm_card_visa_chargeDeclinedInsufficientFunds", label="Has insufficient funds", decline="insufficient_funds"),
    Card("4000008400001629", ready_made="pm_card_threeDSecureRequiredChargeDeclined", label="Is declined after 3-D Secure", decline="generic_decline", accepted=True, authentication="always"),
    Card("4000008260003178", ready_made="pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", label="Has insufficient funds after 3-D Secure", decline="insufficient_funds", accepted=True, authentication="always"),
    Card("4000000000000341", ready_made="pm_card_chargeCustomerFail", label="Can be saved; payments are declined", decline="generic_decline", accepted=True),
    Card("4000000000000259", ready_made="pm_card_createDispute", label="Succeeds, and is disputed", dispute="fraudulent"),
    Card("4000000000000069", ready_made="pm_card_chargeDeclinedExpiredCard", label="Has expired", decline="expired_card"),
    Card("4000000000000127", ready_made="pm_card_chargeDeclinedIncorrectCvc", label="Has another security code", decline="incorrect_cvc"),
    Card("4000000000000119", ready_made="pm_card_chargeDeclinedProcessingError", label="Meets a processing error", decline="processing_error"),
    Card("4000000000009987", ready_made="pm_card_visa_chargeDeclinedLostCard", label="Was lost", decline="lost_card"),
    Card("4000000000009979", ready_made="pm_card_visa_chargeDeclinedStolenCard", label="Was stolen", decline="stolen_card"),
    Card("4000000000007726", ready_made="pm_card_pendingRefund", label="Succeeds; refunds take a while", refund="pending"),
    Card("4000000000005126", ready_made="pm_card_refundFail", label="Succeeds; refunds fail", refund="failed"),
    Card("4000000000003220", ready_made="pm_card_threeDSecure2Required", label="Asks for 3-D Secure 2", authentication="always"),
    Card("4000056655665556", ready_made="pm_card_visa_debit", label="Succeeds (debit)", funding="debit"),
    Card("5555555555554444", "mastercard", "pm_card_mastercard", "Succeeds (Mastercard)"),
    Card("2223003122003222", "mastercard", label="Succeeds (Mastercard, 2-series)"),
    Card("5105105105105100", "mastercard", "pm_card_mastercard_prepaid", "Succeeds (prepaid)", funding="prepaid"),
    Card("378282246310005", "amex", "pm_card_amex", "Succeeds (American Express)"),
    Card("6011111111111117", "discover", "pm_card_discover", "Succeeds (Discover)"),
    Card("3056930009020004", "diners", "pm_card_diners", "Succeeds (Diners Club)"),
    Card("3566002020360505", "jcb", "pm_card_jcb", "Succeeds (JCB)"),
    Card("4000002760000016", ready_made="pm_card_de", label="Succeeds (Germany)", country="DE"),
    Card("4000008260000000", ready_made="pm_card_gb", label="Succeeds (United Kingdom)", country="GB"),
)  # fmt: skip
BY_NUMBER = {card.number: card for card in KNOWN}
BY_READY_MADE = {card.ready_made: card for card in KNOWN if card.ready_made}
NOT_A_TEST_CARD = "Your card was declined. Your request was in test mode, but used a non test card."
# Ours alone, for tests that need many cards: every valid number that begins so is a card that succeeds.
MANY = "424242"


def card_of(digits: str) -> Card | None:
    """The test card of that number; None for any other card."""
    known = BY_NUMBER.get(digits)
    if known is None and digits.startswith(MANY) and len(digits) == 16:
        return Card(digits, label="Succeeds")
    return known


def is_number(digits: str) -> bool:
    """12 to 19 digits, the last of which fits (Luhn)."""
    if not digits.isascii() or not digits.isdecimal() or not 12 <= len(digits) <= 19:
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def refusal(reason: str) -> tuple[str, str, str]:
    """Stripe's code, decline code and message for a reason."""
    code = reason if reason in OWN_CODES else "card_declined"
    return code, reason, MESSAGES.get(reason, "Your card was declined.")
