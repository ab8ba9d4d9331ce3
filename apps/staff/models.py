"""What staff may do beyond Django's view, add, change and delete (roles.py says who may), and what operators are told of."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Desk(models.Model):
    """No table, only these rights."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("grant_small", "grant credit up to STAFF_SMALL_GRANT_USD"),
            ("grant", "grant credit"),
            ("refund", "refund payments"),
            ("suspend", "suspend and reinstate accounts"),
            ("view_as", "see the pages of a customer, reading only"),
            ("replay", "replay webhook events"),
            ("run_backends", "drain and call backends"),
            ("see_operations", "see how the platform runs"),
        ]


class Incident(models.Model):
    """Something that is wrong, from when it was seen until it was not any more. Operators are told once that it began and once that it
    is over, by each channel that there is."""

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, help_text="what it is about; of one kind and subject at most one is open")
    text = models.TextField(help_text="what was seen at first")
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    mailed = models.SmallIntegerField(default=0, help_text="1: that it began, 2: that it is over")
    posted = models.SmallIntegerField(default=0, help_text="the same for the webhook")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], condition=models.Q(closed_at=None), name="staff_incident_open_once")
        ]
        indexes = [models.Index(fields=["-opened_at"], name="staff_incident_newest")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class Job(models.Model):
    """How a periodic task (settings.CELERY_BEAT_SCHEDULE) ran last: one row a task, whatever the number of its runs."""

    name = models.CharField(max_length=100, primary_key=True, help_text="of the task")
    since = models.DateTimeField(db_default=Now(), help_text="from when on it is expected to run")
    succeeded_at = models.DateTimeField("last ran well", null=True)
    took_ms = models.PositiveIntegerField(null=True, help_text="that run")
    failed_at = models.DateTimeField("last failed", null=True)
    error = models.CharField("last error", max_length=500, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return self.name
