"""Staff pages of the dashboard's own tables."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from apps.audit.staff_pages import Audited
from apps.dashboard.models import ModelRequest


@admin.register(ModelRequest)
class ModelRequestAdmin(Audited):
    """Models that people asked for, newest first; staff tick what they have answered."""

    list_display = ("name", "email", "account", "created_at", "answered")
    list_filter = ("answered",)
    list_select_related = ("account",)
    search_fields = ("name", "email")
    ordering = ("-created_at",)
    readonly_fields = ("name", "purpose", "email", "account", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
