"""What the hot path keeps in Postgres: its processes' leases, and the requests that are open now."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Process(models.Model):
    """A gateway process and how long it may be believed alive. One that is fenced has lost its holds to the reaper."""

    name = models.CharField(max_length=200, help_text="host and process id, for people")
    started_at = models.DateTimeField()
    lease_since = models.DateTimeField(db_default=Now(), help_text="since when it has renewed its lease without a gap")
    lease_until = models.DateTimeField()
    fenced = models.BooleanField(db_default=False)


class Hold(models.Model):
    """An admitted request that has not ended: its credit, its concurrency slot, its tokens of the minute.

    Deleted, never marked, when it ends; the primary key is its only index. Money in nano-USD. The checkpoint is what the
    request would cost if it ended now; a reaper charges that when the process dies.
    """

    id = models.UUIDField(primary_key=True)
    account_id = models.BigIntegerField()
    key_id = models.BigIntegerField(null=True)
    process_id = models.BigIntegerField()
    amount = models.BigIntegerField()
    pools = ArrayField(models.BigIntegerField())
    pool_amounts = ArrayField(models.BigIntegerField())
    tpm_second = models.BigIntegerField(help_text="the limiter's slot that the tokens were reserved in")
    tpm_tokens = models.BigIntegerField()
    spend_held = models.BigIntegerField(db_default=0, help_text="what the key's spend counts as held; nothing without a limit on it")
    model_id = models.BigIntegerField()
    price_id = models.BigIntegerField()
    dialect = models.SmallIntegerField()
    streamed = models.BooleanField()
    admitted_at = models.DateTimeField()
    backend_id = models.BigIntegerField(null=True)
    checkpoint_cost = models.BigIntegerField(db_default=0)
    checkpoint_prompt_tokens = models.IntegerField(db_default=0)
    checkpoint_completion_tokens = models.IntegerField(db_default=0)
