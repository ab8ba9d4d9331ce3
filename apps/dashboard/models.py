"""What the dashboard remembers."""

from __future__ import annotations

from django.db import models

from apps.accounts.models import Account


class Onboarding(models.Model):
    """How far an account has come that cannot be read elsewhere, or only slowly. No row: it has not been looked at yet."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="onboarding")
    skipped_at = models.DateTimeField(null=True)
    first_call_at = models.DateTimeField(null=True, help_text="the first completed call is known; there is nothing left to show")


class ModelRequest(models.Model):
    """What somebody asked for who did not find it in the catalogue."""

    name = models.CharField(max_length=200)
    purpose = models.TextField(max_length=2_000, blank=True)
    email = models.EmailField()
    account = models.ForeignKey(Account, models.SET_NULL, null=True, blank=True, related_name="+", help_text="of who was logged in")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    answered = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name
