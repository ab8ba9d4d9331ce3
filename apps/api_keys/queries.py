"""Reading API keys."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.api_keys.models import ApiKey


def keys_of(account: Account) -> QuerySet[ApiKey]:
    """The keys of an account that are not revoked, expired ones included, newest first."""
    return ApiKey.objects.filter(account=account, revoked_at=None).order_by("-pk")


def usable_keys_of(account: Account) -> QuerySet[ApiKey]:
    """The keys of an account that work now, by the database's clock."""
    return keys_of(account).filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
