"""API keys and their limits, and the counters that the limits are judged by."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.accounts.models import Account, User
from apps.core.money import MAX_NANO


class Scope(models.IntegerChoices):
    INFERENCE = 1
    MANAGEMENT = 2


class State(models.TextChoices):
    """Whether a key can be used."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def _spend_limit(what: str) -> models.BigIntegerField[int | None, int | None]:
    return models.BigIntegerField(null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MAX_NANO)], help_text=what)


class ApiKey(models.Model):
    """A key by its digest: the full text is shown once and never stored. Regenerating makes a new row, so that a digest
    once cached by a process always stands for the same row; revoking is a timestamp that admission reads each time."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="api_keys")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    replaces = models.OneToOneField("self", models.SET_NULL, null=True, blank=True, related_name="replaced_by", editable=False)
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    last4 = models.CharField(max_length=4, editable=False)
    scope = models.SmallIntegerField(choices=Scope, default=Scope.INFERENCE)
    # Limits; empty means unlimited.
    rpm = models.PositiveIntegerField(
        "requests per minute", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(1_000_000)]
    )
    tpm = models.PositiveBigIntegerField(
        "tokens per minute", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(10**12)]
    )
    max_concurrent = models.PositiveIntegerField(
        "concurrent requests", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100_000)]
    )
    spend_limit_day = _spend_limit("nano-USD in a day, UTC")
    spend_limit_month = _spend_limit("nano-USD in a month, UTC")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} …{self.last4}"

    def state(self, now: datetime) -> State:
        """At a moment of the database's clock."""
        if self.revoked_at is not None:
            return State.REVOKED
        return State.EXPIRED if self.expires_at is not None and self.expires_at <= now else State.ACTIVE


class Limiter(models.Model):
    """What a key used in the last minute and has open now; written only by admission and settlement, under the account's lock.

    A ring of 61 one-second slots makes the minute slide: slot `second % 61` counts what was admitted in that second.
    61 and not 60, so that no sixty seconds, wherever they start, ever hold more than the limit.
    The table is UNLOGGED: a database crash empties it, the window starts afresh, and `open` is counted again from the holds.
    """

    key = models.OneToOneField(ApiKey, models.CASCADE, primary_key=True, db_constraint=False)
    second = models.BigIntegerField(help_text="Unix second of the newest slot")
    requests = ArrayField(models.IntegerField())
    tokens = ArrayField(models.BigIntegerField())
    requests_in_window = models.BigIntegerField()
    tokens_in_window = models.BigIntegerField()
    open = models.IntegerField()


class Spend(models.Model):
    """What a key with a spend limit was charged today and this month (UTC) and what its open requests hold, in nano-USD; written only by
    admission and settlement, under the account's lock (apps/gateway/sql/1_spend.sql). Money: not unlogged, as the minute is."""

    key = models.OneToOneField(ApiKey, models.CASCADE, primary_key=True, db_constraint=False)
    day = models.DateField()
    spent_day = models.BigIntegerField()
    month = models.DateField(help_text="its first day")
    spent_month = models.BigIntegerField()
    held = models.BigIntegerField()
