"""Credit and the ledger. docs/ledger.md states the invariants."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Account


class PoolKind(models.IntegerChoices):
    """Also the burn priority: trial credit goes first, purchased credit last."""

    TRIAL = 10
    PROMOTION = 20
    PURCHASED = 30


class CreditPool(models.Model):
    """Credit of one origin. Burns by priority, then expiry (never-expiring last), then age.

    0 ≤ held ≤ remaining ≤ granted; remaining is the sum of the pool's postings; held is what open requests may still take.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="pools")
    kind = models.SmallIntegerField(choices=PoolKind)
    expires_at = models.DateTimeField(null=True, blank=True)
    granted = models.BigIntegerField()
    remaining = models.BigIntegerField()
    held = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())  # the database's clock: age decides the burn order

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(held__gte=0) & models.Q(remaining__gte=models.F("held")) & models.Q(granted__gte=models.F("remaining")),
                name="billing_creditpool_held_remaining_granted",
            )
        ]
        # For the sweep that expires credit; not about columns that requests update, so their updates stay out of it.
        indexes = [models.Index(fields=["expires_at"], condition=models.Q(expires_at__isnull=False), name="billing_creditpool_expiry")]


class Trial(models.Model):
    """Trial credit that was promised at sign-up; `pool` is what it became (trial.py)."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="trial")
    promised_at = models.DateTimeField(db_default=Now())
    pool = models.OneToOneField(CreditPool, models.PROTECT, null=True, related_name="+")
    card = models.CharField(max_length=64, null=True, unique=True, help_text="digest of the card it was granted for: once a card")


class TransactionKind(models.IntegerChoices):
    USAGE = 1
    GRANT = 2
    PURCHASE = 3
    EXPIRY = 4
    ADJUSTMENT = 5
    REFUND = 6
    DISPUTE = 7
    COLLECTION = 8  # credit taken for what the account owes


class LedgerTransaction(models.Model):
    """Why money moved. Append-only; `kind` and `reference` together name the cause, which can be booked only once."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="ledger_transactions", db_constraint=False)
    kind = models.SmallIntegerField(choices=TransactionKind)
    reference = models.CharField(max_length=200)
    note = models.CharField(max_length=200, blank=True, db_default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "reference"], name="billing_ledgertransaction_once")]
        # The first for reading them all, the second for showing them in the order of time: ids are handed out in blocks. The third for
        # showing those of a kind: usage fills the ledger, and all other kinds are few.
        indexes = [
            models.Index(fields=["account", "-id"]),
            models.Index(fields=["account", "-created_at", "-id"], name="billing_ledger_by_time"),
            models.Index(
                fields=["account", "-created_at", "-id"], name="billing_ledger_but_usage", condition=~Q(kind=TransactionKind.USAGE)
            ),
        ]


class Book(models.IntegerChoices):
    """The sides of the double entry. POOL is what we owe a customer; the others are ours."""

    POOL = 1
    REVENUE = 2  # usage that was paid
    PROMOTIONS = 3  # credit given away (trial, promotion)
    CASH = 4  # payments received
    BREAKAGE = 5  # credit that expired unused
    ADJUSTMENTS = 6  # corrections by staff
    RECEIVABLES = 7  # what a customer owes after money went back that was spent already (−: they owe us)


class Posting(models.Model):
    """One line of a transaction: `amount` nano-USD into (+) or out of (−) a book. A transaction's lines sum to zero; a
    statement that would break that is refused by a trigger, so all lines of a transaction are inserted in one statement."""

    transaction = models.ForeignKey(LedgerTransaction, models.PROTECT, related_name="postings", db_constraint=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    book = models.SmallIntegerField(choices=Book)
    pool = models.ForeignKey(CreditPool, models.PROTECT, related_name="postings", null=True, db_constraint=False)
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(book=Book.POOL, pool__isnull=False) | (~models.Q(book=Book.POOL) & models.Q(pool__isnull=True)),
                name="billing_posting_pool_in_pool_book",
            )
        ]


class WriteOff(models.Model):
    """Cost of an inference that no credit was left for: the platform's loss, and an alert."""

    inference_id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="write_offs", db_constraint=False)
    amount = models.BigIntegerField()
    created_at = models.DateTimeField()
