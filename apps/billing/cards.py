"""Payment methods. What a page needs to know:

- `start_setup` returns the address of Stripe's page, where the card is typed and verified; nothing of it passes through here.
- `return_url` is where the browser comes back to; put `{setup}` in it where the setup's id belongs (it is filled in). There call
  `look_again(account, setup)`: the card, or None while Stripe has none (given up, or not yet: the webhook may bring it).
- The first card becomes the default; one that replaces another takes its place, and the old one is removed.
- Trial credit comes with the first verified card: call `trial.grant_due_trial(account)` after `look_again`.
"""

from __future__ import annotations

from uuid import UUID

from apps.accounts.models import Account
from apps.billing.models import PaymentMethod


def start_setup(account: Account, *, return_url: str, cancel_url: str, address: str | None, replaces: int | None = None) -> str:
    """The address of Stripe's page to add a card. `address`: the visitor's IP address, for the throttle. `replaces`: a card's id.

    Raises TooManyAttempts, StripeUnavailable, PaymentsNotOffered, PaymentMethod.DoesNotExist.
    """
    raise NotImplementedError


def look_again(account: Account, setup: UUID) -> PaymentMethod | None:
    """Asks Stripe what became of it. Raises CardSetup.DoesNotExist."""
    raise NotImplementedError


def make_default(account: Account, card_id: int) -> None:
    """A paused auto top-up goes on with it. Raises PaymentMethod.DoesNotExist."""
    raise NotImplementedError


def remove(account: Account, card_id: int) -> None:
    """At once for us; Stripe forgets it in the background. The newest of the others becomes the default.

    An auto top-up without any card pauses. Raises PaymentMethod.DoesNotExist.
    """
    raise NotImplementedError
