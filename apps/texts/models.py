"""Prompts and answers of accounts that chose to keep them (Account.keep_days), encrypted, for that many days."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Account


class KeptText(models.Model):
    """What was asked and answered in one inference, whose id it has. Written by the gateway (apps/gateway/text_keeping.py), and never
    without a look at the account's choice."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    sealed = models.TextField(help_text="JSON: request, answer, request_cut, answer_cut; read and written by sealing.py")
    kept_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["account", "id"], name="texts_of_account")]
