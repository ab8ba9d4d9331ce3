"""Conversations that were had before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
from django.utils import timezone

from apps.accounts.models import Account, User
from apps.playground.conversations import create
from apps.playground.models import AnswerStatus, Message, Role
from apps.playground.sealing import Body, seal_body

# In nano-USD, tokens and ms, of every answer.
FIGURES = {
    "prompt_tokens": 100,
    "cached_tokens": 0,
    "completion_tokens": 300,
    "reasoning_tokens": 0,
    "cost": 10_000,
    "first_token_ms": 100,
    "total_ms": 1_000,
    "finish_reason": "stop",
}


def keep_conversation(user: User, account: Account, texts: Sequence[str], models: Sequence[str]) -> tuple[UUID, list[UUID]]:
    """One chain of question and answer by turns, which a pane of each model shows; returns its id and those of its messages."""
    identifier, ids, began = uuid4(), [uuid4() for _ in texts], timezone.now()
    head = str(ids[-1]) if ids else None
    panes = [{"model": model, "system_prompt": "", "parameters": {}, "head": head, "preset": None} for model in models]
    create(user, account, identifier, f"{len(texts)} messages", panes)
    Message.objects.bulk_create(
        [
            Message(
                id=pk,
                conversation_id=identifier,
                parent=ids[number - 1] if number else None,
                sealed_body=seal_body(Body(msgspec.Raw(msgspec.json.encode(text)))),
                created_at=began + timedelta(milliseconds=number),
                **(
                    {"role": Role.ASSISTANT, "status": AnswerStatus.COMPLETED, "model": models[0], **FIGURES}
                    if number % 2
                    else {"role": Role.USER}
                ),
            )
            for number, (pk, text) in enumerate(zip(ids, texts, strict=True))
        ],
        batch_size=500,
    )
    return identifier, ids
