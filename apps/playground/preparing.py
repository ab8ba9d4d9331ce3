"""From the page's wish to a request for the gateway: what is new is kept, and the request is built from what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Account, User
from apps.playground import conversations
from apps.playground.errors import Refused, not_found
from apps.playground.frames import NewMessage, NewMessages, RunFrame
from apps.playground.messages import MAX_MESSAGES, asked_with, chain
from apps.playground.models import AnswerStatus, Conversation, Message, Role
from apps.playground.sealing import Body, seal_body

MAX_BYTES = 64_000_000  # of a conversation, sealed
ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.TOOL}


@dataclass(frozen=True, slots=True)
class Prepared:
    """The answer's row, and the request's body; None when the run was there before."""

    answer: Message
    body: bytes | None


def prepare(user: User, account: Account, frame: RunFrame, inference_id: UUID, process_id: int) -> Prepared:
    """One transaction. Raises Refused, and then has changed nothing."""
    try:
        with transaction.atomic():
            return _prepare(user, account, frame, inference_id, process_id)
    except IntegrityError:  # somebody else's message has the id, or the same run was asked for twice at one moment
        raise _id_taken() from None


def _prepare(user: User, account: Account, frame: RunFrame, inference_id: UUID, process_id: int) -> Prepared:
    conversation = _locked(user, account, frame.conversation)
    there = conversation.messages.filter(pk=frame.run, role=Role.ASSISTANT).first()
    if there is not None:
        return Prepared(there, None)
    earlier = chain(conversation, frame.parent)
    if frame.parent is not None and not earlier:
        raise not_found("parent")
    if any(row.status == AnswerStatus.RUNNING for row in earlier):
        raise _still_running()
    rows = _new(conversation, frame.parent, frame.messages)
    messages = asked_with([*earlier, *rows], frame.request.system_prompt)
    if not messages:
        raise Refused("messages: write something first.", code="invalid_request", param="messages")
    body = msgspec.json.encode(
        {
            **frame.request.parameters,
            "model": frame.request.model,
            "messages": messages,
            "stream": True,
        }
    )
    if len(body) > settings.MAX_REQUEST_BYTES:
        raise Refused(
            f"The conversation has grown beyond {settings.MAX_REQUEST_BYTES / 1e6:g} MB, which no request may have: begin a new one.",
            code="conversation_too_large",
        )
    answer = Message(
        id=frame.run,
        conversation=conversation,
        parent=rows[-1].id if rows else frame.parent,
        role=Role.ASSISTANT,
        status=AnswerStatus.RUNNING,
        model=frame.request.model,
        sealed_body=seal_body(Body()),
        inference_id=inference_id,
        process_id=process_id,
        created_at=timezone.now(),
    )
    _keep(conversation, [*rows, answer])
    return Prepared(answer, body)


def add(user: User, account: Account, identifier: UUID, new: NewMessages) -> None:
    """Keeps messages that no model is asked with now. Asked for twice, it is done once. Raises Refused, and then has changed nothing."""
    try:
        with transaction.atomic():
            conversation = _locked(user, account, identifier)
            ids = [message.id for message in new.messages]
            if conversation.messages.filter(pk__in=ids).count() == len(set(ids)):
                return
            above = chain(conversation, new.parent, 1)
            if new.parent is not None and not above:
                raise not_found("parent")
            if any(row.status == AnswerStatus.RUNNING for row in above):
                raise _still_running()
            _keep(conversation, _new(conversation, new.parent, new.messages))
    except IntegrityError:
        raise _id_taken() from None


def _still_running() -> Refused:
    return Refused("The answer before is not finished yet: stop it first, or wait for its end.", code="still_running", param="parent")


def _id_taken() -> Refused:
    return Refused("messages: the id of one of them is taken; make another one.", code="id_taken", param="messages")


def _locked(user: User, account: Account, identifier: UUID) -> Conversation:
    """Raises Refused."""
    rows = conversations.own(user, account).defer(*conversations.HEAVY).select_for_update(no_key=True)
    conversation = rows.filter(pk=identifier).first()
    if conversation is None:
        raise not_found()
    return conversation


def _new(conversation: Conversation, parent: UUID | None, messages: Sequence[NewMessage]) -> list[Message]:
    rows: list[Message] = []
    for message in messages:
        rows.append(
            Message(
                id=message.id,
                conversation=conversation,
                parent=rows[-1].id if rows else parent,
                role=ROLES[message.role],
                # An answer that was edited ran nowhere: no model said it, and it has no figures.
                status=AnswerStatus.COMPLETED if message.role == "assistant" else None,
                sealed_body=seal_body(_body(message)),
                created_at=timezone.now(),
            )
        )
    return rows


def _body(message: NewMessage) -> Body:
    return Body(msgspec.Raw(msgspec.json.encode(message.content)), tool_call_id=message.tool_call_id)


def _keep(conversation: Conversation, rows: list[Message]) -> None:
    grown = conversation.stored_bytes + sum(len(row.sealed_body) for row in rows)
    if grown > MAX_BYTES or conversation.messages.count() + len(rows) > MAX_MESSAGES:
        raise Refused(
            f"A conversation has at most {MAX_MESSAGES:,} messages and {MAX_BYTES / 1e6:g} MB: begin a new one.",
            code="conversation_too_large",
        )
    Message.objects.bulk_create(rows)
    Conversation.objects.filter(pk=conversation.pk).update(stored_bytes=grown, updated_at=Now())


def keep_text(answer: Message, body: Body) -> tuple[bool, float | None, bool]:
    """Writes down what an answer has said so far. Returns whether it still is to run, how many seconds ago another process showed it to
    its reader, and whether it was asked to stop."""
    row = Message.objects.filter(pk=answer.pk, status=AnswerStatus.RUNNING)
    if not row.update(sealed_body=seal_body(body)):
        return False, None, True
    return look(answer)


def look(answer: Message) -> tuple[bool, float | None, bool]:
    """As `keep_text`, without writing."""
    row = (
        Message.objects.filter(pk=answer.pk, status=AnswerStatus.RUNNING)
        .annotate(now=Now())
        .values_list("watched_at", "now", "stop_asked")
        .first()
    )
    if row is None:
        return False, None, True
    watched_at, now, stop_asked = row
    return True, (now - watched_at).total_seconds() if watched_at is not None else None, stop_asked


def keep_end(answer: Message) -> bool:
    """Writes down how an answer ended; False when it was deleted meanwhile. One that was taken for lost is not lost any more."""
    fields = {
        name: getattr(answer, name)
        for name in (
            *("status", "sealed_body", "inference_id", "finish_reason", "prompt_tokens", "cached_tokens", "completion_tokens"),
            *("reasoning_tokens", "cost", "first_token_ms", "total_ms"),
        )
    }
    with transaction.atomic():
        kept = Message.objects.filter(pk=answer.pk).update(**fields)
        Conversation.objects.filter(pk=answer.conversation_id).update(
            updated_at=Now(), stored_bytes=F("stored_bytes") + len(answer.sealed_body)
        )
    return bool(kept)
