"""Creating, revoking and regenerating API keys. A full key is returned once, by the call that makes it, and never stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import Account, User
from apps.api_keys import minting
from apps.api_keys.models import ApiKey, Scope


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; None is unlimited. Requests and tokens per minute, requests at the same time."""

    rpm: int | None = None
    tpm: int | None = None
    max_concurrent: int | None = None
    expires_at: datetime | None = None


UNLIMITED = Limits()


def create_key(
    account: Account, name: str, limits: Limits = UNLIMITED, scope: Scope = Scope.INFERENCE, created_by: User | None = None
) -> tuple[ApiKey, str]:
    """The new row and the full key. Raises ValidationError naming the field."""
    key = minting.mint()
    name = name.strip()
    if "\x00" in name:
        raise ValidationError({"name": "a name cannot contain a null character"})
    row = ApiKey(
        account=account,
        created_by=created_by,
        name=name,
        digest=minting.digest(key),
        last4=minting.last4(key),
        scope=scope,
        rpm=limits.rpm,
        tpm=limits.tpm,
        max_concurrent=limits.max_concurrent,
        expires_at=limits.expires_at,
    )
    row.full_clean()
    row.save()
    return row, key


def revoke_key(row: ApiKey) -> bool:
    """Refuse the key from the next request on. False when it was revoked already."""
    revoked = ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=Now())
    row.refresh_from_db(fields=["revoked_at"])
    return bool(revoked)


@transaction.atomic
def regenerate_key(row: ApiKey, created_by: User | None = None) -> tuple[ApiKey, str]:
    """A new key with the name, scope and limits of an old one, which is revoked by the same commit.

    Raises ValidationError when the old one was revoked already.
    """
    if not revoke_key(row):
        raise ValidationError("this key is revoked: create a new one instead")
    row.refresh_from_db()
    limits = Limits(row.rpm, row.tpm, row.max_concurrent, row.expires_at)
    return create_key(row.account, row.name, limits, Scope(row.scope), created_by)
