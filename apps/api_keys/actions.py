"""Creating, editing, revoking and regenerating API keys. A full key is returned once, by the call that makes it, and never stored."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import Account, User
from apps.api_keys import minting
from apps.api_keys.models import ApiKey, Scope


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; None is unlimited. Requests and tokens per minute, requests at the same time, nano-USD a day and a month (UTC)."""

    rpm: int | None = None
    tpm: int | None = None
    max_concurrent: int | None = None
    expires_at: datetime | None = None
    spend_limit_day: int | None = None
    spend_limit_month: int | None = None


UNLIMITED = Limits()
EDITABLE = ("name", "rpm", "tpm", "max_concurrent", "expires_at", "spend_limit_day", "spend_limit_month")


class KeyRevoked(ValidationError):
    """A revoked key stays as it is."""


def create_key(
    account: Account,
    name: str,
    limits: Limits = UNLIMITED,
    scope: Scope = Scope.INFERENCE,
    created_by: User | None = None,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """The new row and the full key. Raises ValidationError naming the field."""
    key = minting.mint()
    row = ApiKey(
        account=account,
        created_by=created_by,
        replaces=replaces,
        name=_clean_name(name),
        digest=minting.digest(key),
        last4=minting.last4(key),
        scope=scope,
        rpm=limits.rpm,
        tpm=limits.tpm,
        max_concurrent=limits.max_concurrent,
        expires_at=limits.expires_at,
        spend_limit_day=limits.spend_limit_day,
        spend_limit_month=limits.spend_limit_month,
    )
    row.full_clean()
    row.save()
    return row, key


@transaction.atomic
def edit_key(row: ApiKey, changes: dict[str, Any]) -> ApiKey:
    """Change some of a key's EDITABLE fields; what is not named stays as somebody else may have set it meanwhile.

    Counts from the next request on. Returns the row as it is now. Raises ValidationError naming the field, and KeyRevoked.
    """
    row = ApiKey.objects.select_for_update(no_key=True).get(pk=row.pk)
    if row.revoked_at is not None:
        raise KeyRevoked("this key is revoked: create a new one instead")
    for name in EDITABLE:
        if name in changes:
            setattr(row, name, _clean_name(changes[name]) if name == "name" else changes[name])
    row.full_clean()
    row.save(update_fields=[name for name in EDITABLE if name in changes])
    return row


def revoke_key(row: ApiKey) -> bool:
    """Refuse the key from the next request on. False when it was revoked already."""
    revoked = ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=Now())
    row.refresh_from_db(fields=["revoked_at"])
    return bool(revoked)


@transaction.atomic
def regenerate_key(row: ApiKey, created_by: User | None = None) -> tuple[ApiKey, str]:
    """A new key with the name, scope and limits of an old one, which is revoked by the same commit.

    Raises KeyRevoked when the old one was revoked already.
    """
    if not revoke_key(row):
        raise KeyRevoked("this key is revoked: create a new one instead")
    row.refresh_from_db()
    limits = Limits(row.rpm, row.tpm, row.max_concurrent, row.expires_at, row.spend_limit_day, row.spend_limit_month)
    return create_key(row.account, row.name, limits, Scope(row.scope), created_by, replaces=row)


def _clean_name(name: str) -> str:
    """Without white space around it. Raises ValidationError for what no page could show on one line."""
    name = name.strip()
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise ValidationError({"name": "a name cannot contain line breaks or control characters"})
    return name
