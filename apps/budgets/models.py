"""What an account means to spend a month, whom to tell when it does, and what was told."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.core.crypto import decrypt
from apps.core.ids import uuid7

WEBHOOK_SECRET = "budget-webhook-secret"  # noqa: S105 — what the encryption's key is derived for
LONGEST_URL = 500


class Budget(models.Model):
    """`amount` is nano-USD for a calendar month of the account's time zone. It stops nothing: spend limits of keys do."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="budget")
    amount = models.BigIntegerField()
    thresholds = ArrayField(models.SmallIntegerField(), help_text="percent of the amount, ascending")
    by_mail = models.BooleanField(default=True)
    webhook_url = models.CharField(max_length=LONGEST_URL, blank=True)
    secret_encrypted = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)
    next_look_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="budgets_amount_positive")]
        indexes = [models.Index(fields=["next_look_at"], name="budgets_next_look")]

    @property
    def secret(self) -> str:
        """What webhooks are signed with; empty while there is no address. Raises Undecryptable."""
        return decrypt(self.secret_encrypted, WEBHOOK_SECRET)


class Alert(models.Model):
    """A threshold that was reached: each once for an amount in a month. `told`: whether it was the highest of those reached together."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="budget_alerts")
    month = models.DateField(help_text="its first day, in the account's time zone")
    percent = models.SmallIntegerField()
    amount = models.BigIntegerField(help_text="the budget, nano-USD")
    spent = models.BigIntegerField(help_text="nano-USD, when it was noticed")
    told = models.BooleanField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "month", "amount", "percent"], name="budgets_alert_once")]


class Delivery(models.Model):
    """A webhook that is owed or was sent. `body` are the very bytes that are signed, the same at every attempt; its id stands in them.

    It is due while `ended_at` is None; then `delivered` says how it ended."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="webhook_deliveries")
    event = models.CharField(max_length=40)
    body = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    attempts = models.SmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    delivered = models.BooleanField(default=False)
    outcome = models.CharField(max_length=200, blank=True, help_text="of the last attempt, for people")

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(ended_at=None), name="budgets_delivery_due"),
            models.Index(fields=["account", "-id"], name="budgets_delivery_newest"),
        ]
