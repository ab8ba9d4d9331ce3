"""What operators were told of and how the periodic tasks ran, to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.audit.staff_pages import Audited, BigTable, ReadOnly
from apps.core.figures import THIN
from apps.staff import jobs
from apps.staff.models import Incident, Job


@admin.register(Incident)
class IncidentAdmin(ReadOnly, BigTable):
    list_display = ("opened_at", "text", "closed_at", "kind")
    list_filter = ("kind",)
    search_help_text = "What it is about, exactly."

    def lookups(self, term: str) -> list[dict[str, Any]]:
        return [{"subject": term}, {"kind": term}]


@admin.register(Job)
class JobAdmin(ReadOnly, Audited):
    list_display = ("name", "every", "state", "succeeded_at", "took", "failed_at", "error")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Those of the schedule; what was taken from it is history. Looked up once a page, whatever the number of rows."""
        self.late, self.periods = jobs.late(), jobs.periods()
        return super().get_queryset(request).filter(name__in=self.periods)

    @admin.display(description="runs every")
    def every(self, job: Job) -> str:
        seconds = self.periods[job.name]
        for length, unit in ((3600, "h"), (60, "min")):
            if seconds % length == 0:
                return f"{seconds // length} {unit}"
        return f"{seconds} s"

    @admin.display(description="now")
    def state(self, job: Job) -> SafeString | str:
        if job.name in self.late:
            return format_html('<strong class="loss">late: not for {} s</strong>', self.late[job.name])
        return f"in{THIN}time" if job.succeeded_at else f"to{THIN}run"

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        return "" if job.took_ms is None else f"{job.took_ms:,}{THIN}ms"
