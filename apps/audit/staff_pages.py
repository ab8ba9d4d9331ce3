"""What every staff page has: its changes are on record, and it opens however many rows its table has."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from apps.audit.trail import difference, record, snapshot

REASON = "_reason"  # the field of templates/admin/change_form.html
MOST_COUNTED = 10_000
MOST_INLINE_ROWS = 200


class Audited(admin.ModelAdmin):
    """For every admin class: each addition, change and deletion writes an entry of the audit trail, in its own transaction."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST":
            self._remember(request, found)
        return found

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request, "add", obj, after=difference({}, self._picture(obj))[1], reason=_reason(request))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        before = getattr(request, "audit_before", {}).get((obj._meta.label_lower, obj.pk))
        changed = difference(before, self._picture(obj)) if before is not None else ({}, {})
        words = message if isinstance(message, str) else ""
        record(request, "change", obj, before=changed[0], after=changed[1], what=words, reason=_reason(request))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            record(request, "delete", obj, before=difference(self._picture(obj), {})[0], reason=_reason(request))
        return super().log_deletions(request, queryset)

    def _remember(self, request: HttpRequest, obj: Model) -> None:
        known = getattr(request, "audit_before", {})
        known[obj._meta.label_lower, obj.pk] = self._picture(obj)
        request.audit_before = known  # type: ignore[attr-defined]

    def _picture(self, obj: Model) -> dict[str, Any]:
        """The row as the database has it, and those that its page edits along with it."""
        fresh = type(obj)._default_manager.filter(pk=obj.pk).first()
        picture = snapshot(fresh if fresh is not None else obj)
        for inline in self.inlines:
            link = next((f for f in inline.model._meta.get_fields() if isinstance(f, ForeignKey) and f.related_model is type(obj)), None)
            if link is not None and not getattr(inline, "shown_only", False):
                rows = inline.model._default_manager.filter(**{link.name: obj.pk}).order_by("-pk")[:MOST_INLINE_ROWS]
                picture |= {f"{inline.model._meta.model_name} {row.pk}": snapshot(row) for row in rows}
        return picture


def _reason(request: HttpRequest) -> str:
    return request.POST.get(REASON, "").strip()


class ReadOnly:
    """For an admin class or inline: look, do not touch."""

    shown_only = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BoundedPaginator(Paginator):
    """Counts no further than MOST_COUNTED rows: whoever looks for an older one searches."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by().values("pk")[:MOST_COUNTED].count()


class BigTable(Audited):
    """For tables of millions of rows: newest first, never counted whole, searched by what is indexed alone."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    ordering = ("-pk",)
    search_fields = ("pk",)  # so that there is a box; lookups() says what is looked for

    def lookups(self, term: str) -> list[dict[str, Any]]:
        """What a search may mean, likeliest first, each by an index. The first that finds anything counts. Usually a row's number."""
        number = number_of(term)
        return [] if number is None else [{"pk": number}]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        for lookup in self.lookups(term):
            found = queryset.filter(**lookup)
            if found.order_by().exists():
                return found, False
        return queryset.none(), False


def number_of(term: str) -> int | None:
    """The number that a search term is, if it can be an id."""
    text = term.lstrip("#")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
