"""Looking at a customer's pages as they see them, reading only: beginning, ending, and refusing everything else meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import InternalError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_POST

from apps.accounts import viewing
from apps.accounts.models import Account, AccountStatus
from apps.audit.trail import record
from apps.core.middleware import is_api_path
from apps.staff.account_forms import ReasonForm

READ_ONLY_TRANSACTION = "25006"  # the SQLSTATE of a write in one

# The pages that show an account. Those that are a person's own (profile, security, data) are not among them, nor what a person wrote.
SHOWN = frozenset(
    {
        "home", "dashboard", "api-keys", "api-key-meters", "api-key", "api-key-minute", "usage", "export-usage",
        "inferences", "new-inferences", "inference", "export-inferences", "billing", "transactions-csv", "receipt", "receipt-pdf", "palette",
        "models", "model", "pricing", "docs", "docs-search", "docs-page", "status",
    }
)  # fmt: skip
END = "admin:end-view"


@require_POST
def begin_view(request: HttpRequest, account_id: int) -> HttpResponse:
    if not request.user.has_perm(viewing.PERMISSION):
        raise PermissionDenied
    account = get_object_or_404(Account.objects.exclude(status=AccountStatus.CLOSED), pk=account_id)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Write why you look at this customer's pages.")
        return redirect("admin:account-desk", account.pk)
    with transaction.atomic():
        record(request, "view as customer", account, what="Looked at its pages.", reason=form.cleaned_data["reason"])
        viewing.begin(request, account)
    return redirect("dashboard")


@require_POST
def end_view(request: HttpRequest) -> HttpResponse:
    looked = viewing.viewing_of(request)
    viewing.end(request)
    if looked is None:
        return redirect("admin:index")
    record(request, "end of view", looked.account)
    return redirect("admin:account-desk", looked.account.pk)


class ViewingMiddleware(MiddlewareMixin):
    """`request.viewing` for the banner. While a session looks at a customer's pages it gets those alone, by GET alone, and Postgres
    itself refuses what would write."""

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> HttpResponse | None:
        if is_api_path(request.path) or not request.session.get(viewing.KEY):
            return None
        looked = viewing.viewing_of(request)
        if looked is None:  # it is over, or may not be any more
            viewing.end(request)
            return None
        request.viewing = looked  # type: ignore[attr-defined]
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name == END:
            return None
        if request.method not in ("GET", "HEAD") or name not in SHOWN:
            return _refused(request)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
                answer: HttpResponse = view(request, *args, **kwargs)
                return answer
        except InternalError as error:
            if getattr(error.__cause__, "sqlstate", "") != READ_ONLY_TRANSACTION:
                raise
            return _refused(request)


def _refused(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"error": {"message": "This session only looks at a customer's pages."}}, status=403)
    return render(request, "staff/viewing_refused.html", status=403)
