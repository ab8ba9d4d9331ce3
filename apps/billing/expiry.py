"""Expiring credit: what nobody holds of an expired pool becomes ours, once.

What open requests hold is honoured. What comes back when they end expires on the next sweep.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from apps.billing.credits import book_transaction, lock_account, sweeping
from apps.billing.models import Book, CreditPool, Posting, TransactionKind


def expire_credit(now: datetime | None = None) -> int:
    """Expire what is due by the database's clock, or by `now`; returns the nano-USD that expired.

    One transaction for each account. An account that stays locked is left to the next sweep.
    """
    expired = 0
    for account_id in list(_due(now).order_by("account_id").values_list("account_id", flat=True).distinct()):
        with sweeping(account_id):
            expired += _expire_account(account_id, now)
    return expired


def _expire_account(account_id: int, now: datetime | None) -> int:
    lock_account(account_id)
    expired = 0
    for pool in _due(now).filter(account_id=account_id).order_by("pk"):
        free = pool.remaining - pool.held
        CreditPool.objects.filter(pk=pool.pk).update(remaining=F("remaining") - free)
        # The round is part of the reference: even without the lock, two sweeps could not book the same round twice.
        rounds = Posting.objects.filter(pool=pool, transaction__kind=TransactionKind.EXPIRY).count()
        book_transaction(account_id, TransactionKind.EXPIRY, f"pool:{pool.pk}:{rounds + 1}", {pool.pk: -free}, Book.BREAKAGE)
        expired += free
    return expired


def _due(now: datetime | None) -> QuerySet[CreditPool]:
    return CreditPool.objects.filter(expires_at__lte=now or Now(), remaining__gt=F("held"))
