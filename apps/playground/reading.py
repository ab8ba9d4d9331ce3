"""A conversation as the page reads it: its whole tree in outline, and in full what its panes show at first; the rest is asked for.

To decrypt two thousand messages takes longer than all else of opening a conversation, and a dozen of them are seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from apps.accounts.models import Account, User
from apps.playground.conversations import HEAVY, NO_DRAFT, own
from apps.playground.errors import not_found
from apps.playground.messages import chain, fill_in, mark_lost, shown
from apps.playground.models import AnswerStatus, Message, Role
from apps.playground.sealing import unseal

SHORT = 48  # a conversation of so few messages comes in full
ENDS = 24  # of a longer one, so many from the end of each pane's chain
OUTLINE = ("id", "parent", "role", "status", "cost", "prompt_tokens", "completion_tokens", "inference_id")


def whole(user: User, account: Account, identifier: UUID) -> dict[str, Any]:
    """A conversation with its messages in the order they were written. Raises Refused."""
    row = own(user, account).filter(pk=identifier).first()
    if row is None:
        raise not_found()
    panes = json.loads(unseal(row.sealed_panes) or "[]")
    lines = list(Message.objects.filter(conversation=row).order_by("created_at", "id").values_list(*OUTLINE, named=True))
    rows = Message.objects.filter(conversation=row)
    read = {message["id"]: message for message in _read(rows.filter(pk__in=_in_full(lines, [pane.get("head") for pane in panes])))}
    return {
        "id": row.id,
        "title": unseal(row.sealed_title),
        "panes": panes,
        "draft": json.loads(unseal(row.sealed_draft) or "null") or NO_DRAFT,
        "messages": [read.get(line.id) or _outline(line) for line in lines],
        "updated_at": row.updated_at,
    }


def above(user: User, account: Account, identifier: UUID, head: UUID, most: int) -> list[dict[str, Any]]:
    """The message `head` and those above it, `most` at most, from the uppermost down. Raises Refused."""
    row = own(user, account).defer(*HEAVY).filter(pk=identifier).first()
    if row is None:
        raise not_found()
    messages = _read(chain(row, head, most))
    if not messages:
        raise not_found("message")
    return messages


def _read(rows: Iterable[Message]) -> list[dict[str, Any]]:
    messages = list(rows)
    mark_lost(messages)
    fill_in(messages)
    return [shown(message) for message in messages]


def _in_full(lines: Sequence[Any], heads: Iterable[object]) -> set[UUID]:
    """The ends of the chains, and what is not settled yet: whoever looks at these may have to mend them."""
    if len(lines) <= SHORT:
        return {line.id for line in lines}
    full = {line.id for line in lines if line.status == AnswerStatus.RUNNING or (line.cost is None and line.inference_id is not None)}
    parents = {line.id: line.parent for line in lines}
    for head in heads:
        at = _uuid(head)
        for _ in range(ENDS):
            if at not in parents:
                break
            full.add(at)
            at = parents[at]
    return full


def _outline(line: Any) -> dict[str, Any]:
    """What the page needs to know of a message that it does not show."""
    message = {"id": line.id, "parent": line.parent, "role": Role(line.role).label}
    if line.role != Role.ASSISTANT:
        return message
    tokens = {"prompt_tokens": line.prompt_tokens, "completion_tokens": line.completion_tokens}
    return message | {
        "status": AnswerStatus(line.status or AnswerStatus.LOST).label,
        "usage": tokens if line.prompt_tokens is not None else None,
        "cost": str(line.cost) if line.cost is not None else None,
    }


def _uuid(text: object) -> UUID | None:
    """The panes are the page's writing: anything may stand there."""
    try:
        return UUID(str(text))
    except ValueError:
        return None
