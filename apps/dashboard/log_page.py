"""`/inferences`: the log of requests, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account
from apps.accounts.models import Account
from apps.core.moments import database_now, moment_from_iso
from apps.dashboard.inference_page import Detail, detail_of
from apps.dashboard.log_filters import LogForm
from apps.dashboard.log_rows import Row, named
from apps.usage import log

PAGE = 50
# What settled so long before the last question is asked for again: settlements commit in an order of their own.
OVERLAP = timedelta(seconds=5)
# Who has not asked for longer than this begins anew.
MOST_BEHIND = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class LogPage:
    """`more` is the address of the next page, empty on the last. `searched_to`: where the search stopped before it had found a page."""

    rows: Sequence[Row]
    more: str
    searched_to: datetime | None


@login_required
@require_safe
def inferences(request: HttpRequest) -> HttpResponse:
    """The list. Filters: log_filters.py; `?before=` is the next page; `?open=` shows that inference beside the list."""
    account = acting_account(request)
    form = LogForm(request.GET, account)
    valid = form.is_valid()
    asked_at = database_now()  # before the log is read: what settles meanwhile is in it, or new
    if valid and form.whole_id is not None and log.one(account.pk, form.whole_id):
        return _to(request, reverse("inference", args=[form.whole_id]))
    page = log_page(account, form, uuid_or_none(request.GET.get("before"))) if valid else LogPage((), "", None)
    context = {
        "filters": form,
        "page": page,
        "asked_at": asked_at,
        "used": bool(page.rows) or form.any_in_use or bool(log.page(account.pk, limit=1).rows),
        "opened": _opened(request, account),
    }
    template = "dashboard/inferences.html"
    if "HX-Request" in request.headers:
        template = "dashboard/_log_rows.html" if "before" in request.GET else "dashboard/_log.html"
    return render(request, template, context, status=200 if valid else 422)


@login_required
@require_safe
def new_inferences(request: HttpRequest) -> HttpResponse:
    """What settled since `?settled_after=`, as rows for static/js/pages/inferences.js. 204 when there is nothing, 205 for who has to ask
    for the whole list: after a long time, or when there is more than a page."""
    account = acting_account(request)
    form = LogForm(request.GET, account)
    now = database_now()
    try:
        since = moment_from_iso(request.GET.get("settled_after", ""))
    except ValueError:
        since = now - MOST_BEHIND * 2
    if not form.is_valid() or since < now - MOST_BEHIND:
        return HttpResponse(status=205)
    rows = log.settled_since(account.pk, since - OVERLAP, form.filters, PAGE + 1)
    if len(rows) > PAGE:
        return HttpResponse(status=205)
    page = LogPage(named(account, rows), "", None)
    response = render(request, "dashboard/_log_rows.html", {"page": page}) if rows else HttpResponse(status=204)
    response.headers["X-Asked-At"] = now.isoformat()
    return response


def log_page(account: Account, form: LogForm, before: UUID | None) -> LogPage:
    """The newest requests of the account that pass, with ids below `before`."""
    above, below = form.id_bounds
    bounds = [bound for bound in (before, below) if bound]
    found = log.page(account.pk, form.filters, PAGE, min(bounds) if bounds else None, above)
    more = f"?{'&'.join(part for part in (form.query, f'before={found.next}') if part)}" if found.next else ""
    return LogPage(named(account, found.rows), more, found.looked_back_to if len(found.rows) < PAGE else None)


def uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _opened(request: HttpRequest, account: Account) -> Detail | None:
    identifier = uuid_or_none(request.GET.get("open"))
    return detail_of(account, identifier) if identifier else None


def _to(request: HttpRequest, address: str) -> HttpResponse:
    """A redirect that htmx follows as a whole page."""
    return HttpResponse(headers={"HX-Redirect": address}) if "HX-Request" in request.headers else redirect(address)
