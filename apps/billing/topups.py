"""Topping up: on Stripe's page, or by a saved card. What a page needs to know:

1. Show the form with a fresh `uuid7()` in a hidden field `attempt`, and amounts between `limits()`.
2. On POST `validated_amount(text)`, then `start_checkout(…)` or `pay_with_card(…)`. Each returns the `Payment`:
   - `action_url` is set: redirect there (Stripe's page, or the bank's confirmation);
   - `status` SUCCEEDED: it is credited already;
   - `status` FAILED: `errors.explanation(payment.failure_code)` says why; show a new form with a new `attempt`;
   - `status` OPEN without `action_url`: Stripe has not said yet; show "being processed" and ask `look_again` every few seconds.
3. `return_url` is where the browser comes back to, with the attempt's id in it: there `look_again(account, attempt)` and show what
   it says, as above. `cancel_url` is where Stripe's page leads who gives up.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.accounts.models import Account
from apps.billing.models import Payment


@dataclass(frozen=True, slots=True)
class Limits:
    """Least and most of one top-up, nano-USD."""

    least: int
    most: int


def limits() -> Limits:
    raise NotImplementedError


def validated_amount(text: str) -> int:
    """Dollars as typed to nano-USD. Raises ValidationError({"amount": …}): not a number, not whole cents, outside the limits."""
    raise NotImplementedError


def start_checkout(account: Account, amount: int, *, attempt: UUID, return_url: str, cancel_url: str, save_card: bool) -> Payment:
    """Makes Stripe's page for it, at `action_url`. The same `attempt` again gives the same page.

    Raises ValidationError, TooManyAttempts, StripeUnavailable, PaymentsNotOffered; Payment.DoesNotExist for another account's attempt.
    """
    raise NotImplementedError


def pay_with_card(account: Account, amount: int, *, card_id: int, attempt: UUID, return_url: str) -> Payment:
    """Charges a saved card of the account while its owner is there. The same `attempt` again is the same payment.

    Raises as start_checkout does, and PaymentMethod.DoesNotExist.
    """
    raise NotImplementedError


def look_again(account: Account, attempt: UUID) -> Payment:
    """Asks Stripe how the payment stands, and credits it if it succeeded. What is known already when Stripe does not answer.

    Raises Payment.DoesNotExist.
    """
    raise NotImplementedError
