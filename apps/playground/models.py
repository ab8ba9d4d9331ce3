"""What is kept of the Playground: conversations, and their messages as a tree. What people wrote and models answered is encrypted."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Account, User


class Conversation(models.Model):
    """One user's, within an account. `id` is of the page's making. Sealed texts are read and written by sealing.py."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    sealed_title = models.TextField(help_text="a text")
    sealed_panes = models.TextField(help_text="JSON, as the page writes it")
    sealed_draft = models.TextField(help_text="JSON, as the page writes it; empty: none")
    stored_bytes = models.BigIntegerField(db_default=0, help_text="of the messages, sealed")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now(), help_text="when it was last written in; drafts do not count")

    class Meta:
        indexes = [models.Index(fields=["user", "account", "-updated_at", "-id"], name="playground_latest")]


class Role(models.IntegerChoices):
    USER = 1, "user"
    ASSISTANT = 2, "assistant"
    TOOL = 3, "tool"


class AnswerStatus(models.IntegerChoices):
    RUNNING = 1, "running"
    COMPLETED = 2, "completed"
    STOPPED = 3, "stopped"
    FAILED = 4, "failed"
    LOST = 5, "lost"


class Message(models.Model):
    """A message of a conversation; an answer also is a run, whose id it has. Counts and cost are those of the inference log.

    `parent` is a message of the same conversation, and was there first: so there are no cycles. While an answer runs, `process_id` is
    the gateway process that it runs in, and the other two columns are how other processes reach that one (relay.py)."""

    id = models.UUIDField(primary_key=True)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    parent = models.UUIDField(null=True)
    role = models.SmallIntegerField(choices=Role)
    status = models.SmallIntegerField(choices=AnswerStatus, null=True, help_text="of answers")
    model = models.CharField(max_length=200, help_text="of answers: the public id")
    sealed_body = models.TextField(help_text="JSON: content, reasoning, tool_calls, tool_call_id, error")
    inference_id = models.UUIDField(null=True)
    finish_reason = models.TextField()
    prompt_tokens = models.IntegerField(null=True)
    cached_tokens = models.IntegerField(null=True)
    completion_tokens = models.IntegerField(null=True)
    reasoning_tokens = models.IntegerField(null=True)
    cost = models.BigIntegerField(null=True, help_text="nano-USD")
    first_token_ms = models.IntegerField(null=True)
    total_ms = models.IntegerField(null=True)
    created_at = models.DateTimeField()
    process_id = models.BigIntegerField(null=True)
    watched_at = models.DateTimeField(null=True, help_text="when another process last showed it to its reader")
    stop_asked = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="playground_in_order"),
            models.Index(fields=["process_id"], condition=models.Q(status=AnswerStatus.RUNNING), name="playground_running"),
        ]
