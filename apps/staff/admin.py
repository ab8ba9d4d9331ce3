"""What operators were told of, to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from apps.audit.staff_pages import BigTable, ReadOnly
from apps.staff.models import Incident


@admin.register(Incident)
class IncidentAdmin(ReadOnly, BigTable):
    list_display = ("opened_at", "closed_at", "kind", "subject", "text")
    list_filter = ("kind",)
    search_help_text = "What it is about, exactly."

    def lookups(self, term: str) -> list[dict[str, Any]]:
        return [{"subject": term}, {"kind": term}]
