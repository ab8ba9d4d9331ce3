"""What staff did. Written in the transaction of the deed itself, and never changed: a trigger refuses it (migrations/0001)."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now


class Entry(models.Model):
    """Who did what to which object. No foreign keys: an entry outlives whatever it names.

    `before` and `after` hold the fields that differ, by name; secrets stand in them as `(hidden)`.
    """

    at = models.DateTimeField(db_default=Now())
    actor_id = models.BigIntegerField(null=True, help_text="the user's id")
    actor = models.CharField("who", max_length=254, help_text="the user's address at that time")
    action = models.CharField(max_length=40)
    object_type = models.CharField(max_length=100, blank=True, help_text="app and model, such as billing.payment")
    object_id = models.CharField(max_length=255, blank=True)
    object_name = models.CharField("object", max_length=200, blank=True)
    account_id = models.BigIntegerField("account number", null=True, help_text="whose account it is about, if it is about one")
    what = models.TextField(blank=True, help_text="in words")
    before = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    after = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    reason = models.CharField(max_length=500, blank=True)
    address = models.GenericIPAddressField(null=True, help_text="from where")
    page_id = models.CharField(max_length=64, blank=True, help_text="X-Request-Id of the page")

    class Meta:
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_entry_of_object"),
            models.Index(fields=["actor", "-id"], name="audit_entry_of_actor"),
            models.Index(fields=["account_id", "-id"], name="audit_entry_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_name}".strip()
