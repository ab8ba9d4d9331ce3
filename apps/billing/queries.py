"""Reading what an account has."""

from __future__ import annotations

from django.db.models import Q, Sum
from django.db.models.functions import Now

from apps.billing.models import CreditPool


def balance_of(account_id: int) -> int:
    """nano-USD left in the account's pools by the database's clock, held or not. Credit past its expiry counts only while it is held."""
    pools = CreditPool.objects.filter(account_id=account_id, remaining__gt=0)
    alive = Q(expires_at=None) | Q(expires_at__gt=Now())
    sums = pools.aggregate(alive=Sum("remaining", filter=alive), held=Sum("held", filter=~alive))
    return (sums["alive"] or 0) + (sums["held"] or 0)
