"""What the rest of the platform may ask about an account's payment method."""

from __future__ import annotations

from dataclasses import dataclass

from apps.billing import stripe_client
from apps.billing.models import PaymentMethod

BILLING_URL = "/settings/billing"


@dataclass(frozen=True, slots=True)
class PaymentStep:
    """`offered`: customers of this platform can add a payment method, at `url`. `verified`: the one they added, in words for them
    ("Visa ending in 4242"); empty until then."""

    offered: bool = False
    verified: str = ""
    url: str = ""

    @property
    def satisfied(self) -> bool:
        """There is one, or none is asked for."""
        return bool(self.verified) or not self.offered


def payment_step(account_id: int) -> PaymentStep:
    """Where this account stands. Without Stripe nobody is asked for anything."""
    if not stripe_client.configured():
        return PaymentStep()
    card = PaymentMethod.objects.filter(account_id=account_id, is_default=True).first()
    return PaymentStep(offered=True, verified=str(card) if card else "", url=BILLING_URL)
