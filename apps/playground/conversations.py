"""What is kept of conversations: finding and changing it (reading.py reads one). Everything is asked for by user and account: nobody finds another's."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from apps.accounts.models import Account, User
from apps.playground.errors import Refused, not_found
from apps.playground.models import Conversation, Message
from apps.playground.sealing import seal, unseal

PAGE = 50
MOST = 5_000  # conversations of a user
MAX_TITLE = 200
NO_DRAFT = {"text": "", "images": []}


def own(user: User, account: Account) -> QuerySet[Conversation]:
    return Conversation.objects.filter(user=user, account=account)


def page(user: User, account: Account, words: str, before: str) -> dict[str, Any]:
    """The latest conversations whose title contains `words`; `before` is the `next` of an earlier page."""
    rows = own(user, account).order_by("-updated_at", "-id")
    if before:
        moment, last_id = _place(before)
        rows = rows.filter(Q(updated_at__lt=moment) | Q(updated_at=moment, id__lt=last_id))
    found: list[dict[str, Any]] = []
    # Titles are encrypted, so they are looked through here, latest first.
    for row in rows.only("id", "sealed_title", "updated_at").iterator(chunk_size=200) if words else rows.defer(*HEAVY)[: PAGE + 1]:
        title = unseal(row.sealed_title)
        if words.casefold() not in title.casefold():
            continue
        if len(found) == PAGE:
            last = found[-1]
            return {"conversations": found, "next": f"{last['updated_at'].isoformat()}_{last['id']}"}
        found.append({"id": row.id, "title": title, "updated_at": row.updated_at})
    return {"conversations": found, "next": None}


def _place(before: str) -> tuple[datetime, UUID]:
    moment, _, identifier = before.partition("_")
    try:
        parsed, last_id = parse_datetime(moment), UUID(identifier)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise Refused("before: give the 'next' of an earlier page.", code="invalid_request", param="before")
    return parsed, last_id


HEAVY = ("sealed_panes", "sealed_draft")


def create(user: User, account: Account, identifier: UUID, title: str, panes: list[Any]) -> None:
    """Makes it, or finds the one that an earlier try made. Raises Refused."""
    if own(user, account).count() >= MOST:
        raise Refused(f"You have {MOST:,} conversations: delete some first.", code="too_many_conversations", status=409)
    row, _ = Conversation.objects.get_or_create(
        id=identifier,
        defaults={"user": user, "account": account, "sealed_title": seal(title), "sealed_panes": seal(json.dumps(panes))},
    )
    if (row.user_id, row.account_id) != (user.pk, account.pk):
        raise Refused("id: it is taken; make another one.", code="id_taken", status=409, param="id")


def change(user: User, account: Account, identifier: UUID, sealed: dict[str, str]) -> None:
    """Writes columns that `seal` was called for. Raises Refused."""
    rows = own(user, account).filter(pk=identifier)
    if not (rows.update(**sealed) if sealed else rows.exists()):
        raise not_found()


def delete(user: User, account: Account, identifier: UUID) -> list[UUID]:
    """Deletes it with its messages; returns the ids of these, some of which may be running. Raises Refused."""
    with transaction.atomic():
        row = own(user, account).filter(pk=identifier).select_for_update().first()
        if row is None:
            raise not_found()
        messages = Message.objects.filter(conversation=row)
        ids = list(messages.values_list("id", flat=True))
        messages.delete()
        row.delete()
    return ids


def delete_all_of(user: User, account: Account | None = None) -> None:
    """Whatever the user had in this account, or in any. What runs is stopped by its process, which finds it gone."""
    rows = Conversation.objects.filter(user=user)
    rows = rows if account is None else rows.filter(account=account)
    Message.objects.filter(conversation__in=rows).delete()
    rows.delete()
