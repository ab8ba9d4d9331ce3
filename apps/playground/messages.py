"""Messages as the page gets them, and as a model is asked with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Q
from django.db.models.functions import Now

from apps.gateway.models import Process
from apps.playground.errors import shape
from apps.playground.frames import encode
from apps.playground.models import AnswerStatus, Conversation, Message, Role
from apps.playground.sealing import Body, seal_body, unseal_body
from apps.usage.models import Inference

LOST = shape("lost", "The platform's process that ran this answer was lost. What it had said until then is kept; ask again for the rest.")
EMPTY = (msgspec.Raw(b'""'), msgspec.Raw(b"null"), msgspec.Raw(b"[]"))
NO_CALLS = (msgspec.Raw(b"null"), msgspec.Raw(b"[]"))
FIGURES = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "cost", "first_token_ms", "total_ms", "finish_reason")


def shown(row: Message, body: Body | None = None) -> dict[str, Any]:
    """As README.md describes it. `body` is what the row seals, where it is known already."""
    body = body or unseal_body(row.sealed_body)
    message = {
        "id": row.id,
        "parent": row.parent,
        "role": Role(row.role).label,
        "content": body.content,
        "created_at": row.created_at,
    }
    if row.role == Role.TOOL:
        message["tool_call_id"] = body.tool_call_id
    if row.role != Role.ASSISTANT:
        return message
    tokens = {name: getattr(row, name) for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")}
    return message | {
        "model": row.model,
        "status": AnswerStatus(row.status or AnswerStatus.LOST).label,
        "reasoning": body.reasoning,
        "tool_calls": body.tool_calls,
        "finish_reason": row.finish_reason or None,
        "inference_id": row.inference_id,
        "usage": tokens if row.prompt_tokens is not None else None,
        "cost": str(row.cost) if row.cost is not None else None,
        "first_token_ms": row.first_token_ms,
        "total_ms": row.total_ms,
        "error": body.error,
    }


def ending(row: Message, body: Body) -> Callable[[int], bytes]:
    """The last frame of an answer that has ended, by its seq."""
    kind, message = "failed" if body.error is not None else "done", msgspec.Raw(msgspec.json.encode(shown(row, body)))
    return lambda seq: encode(kind, run=row.id, seq=seq, message=message)


def take_figures(*rows: Message) -> None:
    """Copies what the inference log says of answers; where it says nothing (yet), nothing changes."""
    ids = [row.inference_id for row in rows if row.inference_id is not None]
    logged = {inference.pk: inference for inference in Inference.objects.filter(pk__in=ids)} if ids else {}
    for row in rows:
        if row.inference_id in logged:
            for name in FIGURES:
                setattr(row, name, getattr(logged[row.inference_id], name))


def mark_lost(rows: Iterable[Message]) -> None:
    """Answers that seem to run in a process that is gone are lost, whoever looks first; those of the living are left alone.

    Their text stays as it was saved last. Call it with rows just read: they are changed along."""
    running = [row for row in rows if row.status == AnswerStatus.RUNNING]
    if not running:
        return
    alive = Q(pk__in={row.process_id for row in running}, fenced=False, lease_until__gt=Now())
    processes = set(Process.objects.filter(alive).values_list("pk", flat=True))
    for row in running:
        if row.process_id not in processes:
            lose(row)


def lose(row: Message) -> None:
    body = unseal_body(row.sealed_body)
    body.error = LOST
    row.status, row.sealed_body = AnswerStatus.LOST, seal_body(body)
    take_figures(row)
    still = Message.objects.filter(pk=row.pk, status=AnswerStatus.RUNNING)
    still.update(status=row.status, sealed_body=row.sealed_body, **{name: getattr(row, name) for name in FIGURES})


def fill_in(rows: Iterable[Message]) -> None:
    """The figures of answers that ended before their charge was known: their process was lost, or Postgres away."""
    unknown = [row for row in rows if row.status not in (None, AnswerStatus.RUNNING) and row.cost is None and row.inference_id is not None]
    take_figures(*unknown)
    for row in unknown:
        if row.cost is not None:
            row.save(update_fields=FIGURES)


MAX_MESSAGES = 10_000  # of a conversation
CHAIN = """WITH RECURSIVE chain AS (
    SELECT m.*, 1 AS depth FROM playground_message m WHERE id = %s AND conversation_id = %s
    UNION ALL
    SELECT m.*, depth + 1 FROM chain c JOIN playground_message m ON m.id = c.parent AND m.conversation_id = c.conversation_id
    WHERE depth < %s
  ) SELECT * FROM chain ORDER BY depth DESC"""


def chain(conversation: Conversation, head: UUID | None, most: int = MAX_MESSAGES) -> Sequence[Message]:
    """The messages from the root down to `head`; the last `most` of them."""
    return list(Message.objects.raw(CHAIN, [head, conversation.pk, most])) if head is not None else []


def asked_with(rows: Sequence[Message], system_prompt: str) -> list[dict[str, Any]]:
    """The messages of a request: a system prompt, if there is one, and what each row says.

    Answers that say nothing are left out, and so are calls of tools that an answer was broken off in. Two answers in a row (one was
    gone on with) are one to the model, since most know no other way."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system_prompt}] if system_prompt else []
    for row in rows:
        body = unseal_body(row.sealed_body)
        if row.role == Role.TOOL:
            messages.append({"role": "tool", "content": body.content, "tool_call_id": body.tool_call_id})
        elif row.role == Role.USER:
            messages.append({"role": "user", "content": body.content})
        else:
            calls = body.tool_calls if row.status == AnswerStatus.COMPLETED and body.tool_calls not in NO_CALLS else None
            if calls is None and body.content in EMPTY:
                continue
            text = msgspec.json.decode(body.content, type=str)
            before = messages[-1] if messages else {}
            if before.get("role") == "assistant" and "tool_calls" not in before:
                text = before["content"] + text
                messages.pop()
            messages.append({"role": "assistant", "content": text} | ({"tool_calls": calls} if calls is not None else {}))
    return messages
