"""No table: what staff may do beyond Django's view, add, change and delete. roles.py says who may."""

from __future__ import annotations

from django.db import models


class Desk(models.Model):
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
