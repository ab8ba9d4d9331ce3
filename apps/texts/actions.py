"""An account's choice to keep its prompts and answers, and deleting what is kept.

The gateway writes under a share of the lock of the account's row and looks at the choice again there; whoever takes the choice back or
deletes holds that lock alone. So nothing that was under way meanwhile is written after the deletion.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least, Now

from apps.accounts.models import MOST_KEEP_DAYS, Account
from apps.texts.models import KeptText
from apps.texts.queries import texts_of

DELETED_AT_ONCE = 1_000


@transaction.atomic
def keep_for(account_id: int, days: int) -> None:
    """From the next request on texts are kept for so many days; what is kept longer goes earlier, what would go earlier still does.
    Raises ValidationError naming the field."""
    if not 1 <= days <= MOST_KEEP_DAYS:
        raise ValidationError({"days": f"Write a whole number of days from 1 to {MOST_KEEP_DAYS}."})
    _lock(account_id)
    Account.objects.filter(pk=account_id).update(keep_days=days)
    KeptText.objects.filter(account_id=account_id).update(expires_at=Least(F("expires_at"), F("kept_at") + timedelta(days=days)))


@transaction.atomic
def stop_keeping(account_id: int) -> None:
    """Nothing more is kept, of requests that are open now neither. What is kept stays until its time or until it is deleted."""
    _lock(account_id)
    Account.objects.filter(pk=account_id).update(keep_days=None)


@transaction.atomic
def delete_all(account_id: int) -> int:
    """Everything the account keeps. Returns how many texts there were."""
    _lock(account_id)
    seen = texts_of(account_id).count()
    KeptText.objects.filter(account_id=account_id).delete()
    return seen


@transaction.atomic
def forget(account_id: int) -> None:
    """The choice and the texts: the account is closed."""
    stop_keeping(account_id)
    delete_all(account_id)


def delete_one(account_id: int, inference_id: UUID) -> bool:
    """The texts of one inference; False when none are kept."""
    seen, _ = texts_of(account_id).filter(pk=inference_id).delete()
    return bool(seen)


def delete_expired() -> int:
    """Everybody's whose time is over, at most DELETED_AT_ONCE in a transaction. Returns how many."""
    deleted = 0
    while True:
        expired = KeptText.objects.filter(expires_at__lte=Now()).order_by("expires_at").values("pk")[:DELETED_AT_ONCE]
        done, _ = KeptText.objects.filter(pk__in=list(expired.values_list("pk", flat=True))).delete()
        deleted += done
        if done < DELETED_AT_ONCE:
            return deleted


def _lock(account_id: int) -> None:
    """Not `no_key`: that would not wait for the share that writing takes (apps/gateway/text_keeping.py)."""
    Account.objects.select_for_update().only("pk").get(pk=account_id)
