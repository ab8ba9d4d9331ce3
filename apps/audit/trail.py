"""Writing the audit trail: what an object is like before and after, and the entry that says what was done to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from apps.audit.models import Entry
from apps.core.client_address import ip_of

HIDDEN = "(hidden)"
SECRET_WORDS = ("password", "encrypted", "secret", "digest", "fingerprint", "token_hash")
LONGEST_VALUE = 2_000  # characters

Fields = Mapping[str, Any]


def record(
    request: HttpRequest,
    action: str,
    of: Model | None = None,
    *,
    before: Fields | None = None,
    after: Fields | None = None,
    what: str = "",
    reason: str = "",
    account_id: int | None = None,
) -> Entry:
    """Writes an entry for whoever sends the request. Call it inside the transaction of the deed, so that neither is there alone."""
    user = request.user
    return Entry.objects.create(
        actor_id=user.pk,
        actor=getattr(user, "email", "") or "nobody",
        action=action,
        object_type=of._meta.label_lower if of else "",
        object_id=str(of.pk) if of else "",
        object_name=str(of)[:200] if of else "",
        account_id=account_id if account_id is not None else account_of(of),
        what=what,
        before=dict(before or {}),
        after=dict(after or {}),
        reason=reason[:500],
        address=ip_of(request),
        page_id=getattr(request, "page_id", ""),
    )


def account_of(of: Model | None) -> int | None:
    """The number of the account that an object belongs to, or is."""
    if isinstance(of, Model) and of._meta.label_lower == "accounts.account":
        return int(of.pk)
    number = getattr(of, "account_id", None)
    return int(number) if number is not None else None


def snapshot(of: Model) -> dict[str, Any]:
    """Its columns and the names of what it is linked with many to many, as `difference` compares them."""
    found: dict[str, Any] = {}
    for field in of._meta.concrete_fields:
        value = field.value_from_object(of)
        found[field.name] = _digest(value) if _is_secret(field.name) and value else _short(value)
    for many in of._meta.many_to_many:
        through = many.remote_field.through
        if through is not None and through._meta.auto_created:  # others have rows of their own
            found[many.name] = sorted(str(one) for one in many.value_from_object(of))
    return found


def difference(before: Fields, after: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts that are not alike, with nothing in them that is secret."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: _shown(before[name]) for name in names if name in before}, {name: _shown(after[name]) for name in names if name in after}


def _is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_WORDS)


class _Secret(str):
    """The digest of a value that no entry may show; good for telling whether it changed."""


def _digest(value: Any) -> _Secret:
    return _Secret(hashlib.sha256(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()).hexdigest())


def _short(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return _digest(value)
    return f"{value[:LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > LONGEST_VALUE else value


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _shown(one) for name, one in value.items()}
    return HIDDEN if isinstance(value, _Secret) else value
