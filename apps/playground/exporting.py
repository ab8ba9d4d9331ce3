"""Conversations as their owner takes them along."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.db.models import QuerySet

from apps.accounts.models import Account, User
from apps.core.money import usd_or_none
from apps.playground.conversations import own
from apps.playground.messages import shown
from apps.playground.models import Conversation, Message
from apps.playground.sealing import unseal


def messages_of(user: User, account: Account) -> QuerySet[Message]:
    return Message.objects.filter(conversation__in=own(user, account))


def conversation_line(row: Conversation) -> dict[str, Any]:
    return {
        "id": row.pk,
        "title": unseal(row.sealed_title),
        "panes": json.loads(unseal(row.sealed_panes) or "[]"),
        "draft": json.loads(unseal(row.sealed_draft) or "null"),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def message_line(row: Message) -> dict[str, Any]:
    """As the page is told of it, but for its cost, in US dollars."""
    line: dict[str, Any] = json.loads(msgspec.json.encode(shown(row)))
    if "cost" in line:
        line["cost"] = usd_or_none(row.cost)
    return {"conversation": row.conversation_id, **line}
