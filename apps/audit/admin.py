"""Staff read what staff did; nobody changes it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.audit.models import Entry
from apps.audit.staff_pages import BigTable, ReadOnly, number_of


@admin.register(Entry)
class EntryAdmin(ReadOnly, BigTable):
    list_display = ("at", "actor", "action", "object_type", "object_name", "account_id", "summary")
    fields = ("at", "actor", "action", "object_type", "object_id", "object_name", "account_id", "what", "reason", "was", "is_now", "address", "page_id")  # fmt: skip
    readonly_fields = fields
    search_help_text = "An e-mail address of a member of staff, an account's number (#12), or the exact id of an object."

    def lookups(self, term: str) -> list[dict[str, Any]]:
        if "@" in term:
            return [{"actor": term.lower()}]
        number = number_of(term)
        return [*([{"account_id": number}] if number is not None else []), {"object_id": term}]

    @admin.display(description="what")
    def summary(self, entry: Entry) -> str:
        words = entry.reason or entry.what or ", ".join(entry.after or entry.before)
        return words if len(words) <= 80 else f"{words[:79]}…"

    @admin.display(description="before")
    def was(self, entry: Entry) -> SafeString:
        return _pretty(entry.before)

    @admin.display(description="after")
    def is_now(self, entry: Entry) -> SafeString:
        return _pretty(entry.after)


def _pretty(values: dict[str, Any]) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(values, indent=2, ensure_ascii=False)) if values else format_html("–")
