"""Holds made by hand, for tests of what billing does beside open requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.billing.models import CreditPool
from apps.core.ids import uuid7
from apps.gateway.models import Hold, Process


@contextmanager
def held(pool: CreditPool, amount: int) -> Iterator[None]:
    """An open request that holds `amount` nano-USD of a pool and gives it all back in the end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT gateway_register('by hand', 600)")  # whose holds no gateway of another test reaps
        [process_id] = cursor.fetchone() or [0]
    with transaction.atomic():
        hold = Hold.objects.create(
            id=uuid7(), account_id=pool.account_id, process_id=process_id, amount=amount, pools=[pool.pk], pool_amounts=[amount], tpm_second=0,
            tpm_tokens=0, model_id=0, price_id=0, dialect=1, streamed=False, admitted_at=timezone.now(),
        )  # fmt: skip
        CreditPool.objects.filter(pk=pool.pk).update(held=F("held") + amount)
    try:
        yield
    finally:
        with transaction.atomic():
            hold.delete()
            Process.objects.filter(pk=process_id).delete()  # or it would seem to be the oldest that lives
            CreditPool.objects.filter(pk=pool.pk).update(held=F("held") - amount)
