"""Auto top-up. What a page needs to know:

`state_of(account.pk)` says all there is to show; `settings` is None until it was configured first. `paused` is the banner's text,
empty while it is not paused; `resume` is the banner's button. A new default card resumes it too, and so does configuring it.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import Account
from apps.billing.models import AutoTopup, Payment, PaymentMethod


@dataclass(frozen=True, slots=True)
class State:
    """`card`: what would be charged. `spent_this_month`: charged or being charged, nano-USD. `capped`: another one would exceed the
    month's cap. `under_way`: the charge that is open now. `last`: the newest one that ended."""

    settings: AutoTopup | None
    card: PaymentMethod | None
    spent_this_month: int
    capped: bool
    paused: str
    under_way: Payment | None
    last: Payment | None

    @property
    def active(self) -> bool:
        """It watches the balance."""
        return self.settings is not None and self.settings.enabled and not self.paused


def state_of(account_id: int) -> State:
    raise NotImplementedError


def configure(account: Account, *, enabled: bool, threshold: str, amount: str, monthly_cap: str) -> AutoTopup:
    """Dollars as typed. Raises ValidationError with a text for each wrong field: `threshold`, `amount`, `monthly_cap`, or `enabled`
    when there is no card to charge."""
    raise NotImplementedError


def resume(account: Account) -> None:
    """Go on after a pause. Nothing happens when it is not paused."""
    raise NotImplementedError
