"""What the dashboard remembers."""

from __future__ import annotations

from django.db import models

from apps.accounts.models import Account


class Onboarding(models.Model):
    """How far an account has come that cannot be read elsewhere, or only slowly. No row: it has not been looked at yet."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="onboarding")
    skipped_at = models.DateTimeField(null=True)
    first_call_at = models.DateTimeField(null=True, help_text="the first completed call is known; there is nothing left to show")
