"""Staff pages for API keys: limits may be changed and keys revoked; of the key itself only the last four characters show."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.staff_search import AccountTable
from apps.api_keys.actions import revoke_key
from apps.api_keys.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(AccountTable):
    list_display = (
        "name",
        "last4",
        "account",
        "scope",
        "rpm",
        "tpm",
        "max_concurrent",
        "spend_limit_day",
        "spend_limit_month",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("scope",)
    list_select_related = ("account",)
    exact_columns = ("last4", "name")
    search_help_text = "An account's number (#12), a member's e-mail address, the last four characters of a key, or its name."
    fields = (
        "account",
        "name",
        "last4",
        "scope",
        "rpm",
        "tpm",
        "max_concurrent",
        "spend_limit_day",
        "spend_limit_month",
        "expires_at",
        "revoked_at",
        "created_by",
        "created_at",
    )
    readonly_fields = ("account", "last4", "scope", "revoked_at", "created_by", "created_at")
    actions = ("revoke",)

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            if revoke_key(key):
                self.log_change(request, key, "Revoked.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key is shown once to the customer who makes it; staff never see one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False
