"""The inference log: one row per admitted request, written by settlement in the same transaction as the money."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Status(models.IntegerChoices):
    """How a request ended, which also decides who pays (docs/ledger.md)."""

    COMPLETED = 1  # the answer went out whole: actual usage
    CANCELLED = 2  # the client went away: prompt and what was generated
    FAILED = 3  # the backend or we broke: what was delivered
    LOST = 4  # our process died: what its last checkpoint says


class Dialect(models.IntegerChoices):
    CHAT = 1
    COMPLETIONS = 2
    MESSAGES = 3
    PLAYGROUND = 4


class Inference(models.Model):
    """Partitioned by month on `id`, a UUIDv7: the primary key is the id alone, so an id can be charged only once, ever.

    No foreign keys: a row of the log outlives what it names, and checking five of them would cost more than the insert.
    """

    id = models.UUIDField(primary_key=True)
    account_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField(null=True)
    model_id = models.BigIntegerField()
    price_id = models.BigIntegerField()
    backend_id = models.BigIntegerField(null=True)
    transaction_id = models.BigIntegerField(null=True, help_text="the ledger transaction that charged it; several rows may share one")
    dialect = models.SmallIntegerField(choices=Dialect)
    streamed = models.BooleanField()
    status = models.SmallIntegerField(choices=Status)
    http_status = models.SmallIntegerField()
    finish_reason = models.TextField()
    error_code = models.TextField()
    prompt_tokens = models.IntegerField(help_text="all input tokens, cached ones included")
    cached_tokens = models.IntegerField()
    completion_tokens = models.IntegerField(help_text="all output tokens, reasoning included")
    reasoning_tokens = models.IntegerField()
    estimated = models.BooleanField(help_text="counted here because the backend did not say")
    cost = models.BigIntegerField(help_text="nano-USD, computed")
    charged = models.BigIntegerField(help_text="nano-USD, collected; the difference is a write-off")
    paid_pools = ArrayField(models.BigIntegerField())
    paid_amounts = ArrayField(models.BigIntegerField())
    admitted_at = models.DateTimeField()
    settled_at = models.DateTimeField()
    queue_ms = models.IntegerField(help_text="from the request's arrival to its admission")
    first_token_ms = models.IntegerField(null=True, help_text="from arrival to the first byte of the answer")
    total_ms = models.IntegerField()

    class Meta:
        managed = False
        db_table = "usage_inference"


class Grain(models.IntegerChoices):
    """How long a cell of the sums is, in minutes. Cells begin at whole multiples in UTC; days of any time zone begin at a quarter. Those of
    all keys, models and dialects of an account together, which have 0 in their place, are told from the others by a negative number."""

    QUARTER = 15
    HOUR = 60
    DAY = 1440
    HOUR_OF_ALL = -60
    DAY_OF_ALL = -1440


class Rollup(models.Model):
    """Sums of the requests of a cell, by when they were settled, as far as they are folded out of the log (sql/fold.sql).

    `histogram` holds bucket + 256 × count: how long requests took (buckets 0–127) and how long to their first token (128–255)."""

    pk = models.CompositePrimaryKey("account_id", "grain", "start", "api_key_id", "model_id", "status", "dialect")
    account_id = models.BigIntegerField()
    grain = models.SmallIntegerField(choices=Grain, help_text="minutes; negative: of all keys, models and dialects")
    start = models.DateTimeField()
    api_key_id = models.BigIntegerField(help_text="0: without a key, or of all")
    model_id = models.BigIntegerField()
    status = models.SmallIntegerField(choices=Status)
    dialect = models.SmallIntegerField(choices=Dialect)
    requests = models.BigIntegerField()
    prompt_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost = models.BigIntegerField(help_text="nano-USD")
    charged = models.BigIntegerField(help_text="nano-USD")
    last_admitted_at = models.DateTimeField()
    histogram = ArrayField(models.BigIntegerField())

    class Meta:
        managed = False
        db_table = "usage_rollup"


class RollupMark(models.Model):
    """Up to when the log is folded into Rollup: one row; `-infinity` before the first step."""

    id = models.SmallIntegerField(primary_key=True)
    settled_until = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "usage_rollupmark"


class FoldedMonth(models.Model):
    """What a month of the log came to whose rows were dropped (sql/retention.sql), for ever. Counted by check_ledger."""

    pk = models.CompositePrimaryKey("account_id", "month")
    account_id = models.BigIntegerField()
    month = models.DateField(help_text="its first day, UTC, by arrival of the requests")
    requests = models.BigIntegerField()
    prompt_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost = models.BigIntegerField(help_text="nano-USD")
    charged = models.BigIntegerField(help_text="nano-USD")
    latest = models.DateTimeField(help_text="when the last of them was settled")
