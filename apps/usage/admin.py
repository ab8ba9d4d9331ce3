"""Staff read the log of requests: newest first, found by its Inference-Id or its account."""

from __future__ import annotations

from django.contrib import admin

from apps.accounts.staff_search import AccountTable
from apps.audit.staff_pages import ReadOnly
from apps.core.money import usd_from_nano
from apps.usage.models import Inference


@admin.register(Inference)
class InferenceAdmin(ReadOnly, AccountTable):
    list_display = ("id", "account_id", "model_id", "status", "http_status", "error_code", "prompt_tokens", "completion_tokens", "usd", "total_ms", "admitted_at")  # fmt: skip
    exact_columns = ("id",)
    search_help_text = "An Inference-Id, an account's number (#12), or a member's e-mail address."

    @admin.display(description="charged, USD")
    def usd(self, row: Inference) -> str:
        return usd_from_nano(row.charged)
