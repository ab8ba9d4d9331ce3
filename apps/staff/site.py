"""The admin site: Django's, grouped by what staff look for, behind a second factor, with pages of our own beside the tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse

Pages = list[URLPattern | URLResolver]

# In which order tables stand, under which heading, and by which name where Django's says little.
GROUPS: list[tuple[str, list[tuple[str, str]]]] = [
    ("Customers", [("accounts.account", "Accounts"), ("accounts.user", "Users"), ("account.emailaddress", "E-mail addresses"), ("socialaccount.socialaccount", "Google and GitHub log-ins"), ("api_keys.apikey", "API keys"), ("usage.inference", "Inferences")]),
    ("Money", [("billing.payment", "Payments"), ("billing.reversal", "Refunds and disputes"), ("billing.creditpool", "Credit pools"), ("billing.ledgertransaction", "Ledger transactions"), ("billing.writeoff", "Write-offs"), ("billing.debt", "Debts"), ("billing.autotopup", "Auto top-ups"), ("billing.paymentmethod", "Cards"), ("billing.receipt", "Receipts"), ("billing.stripeevent", "Webhook events"), ("billing.notice", "Mails about money")]),
    ("Catalogue", [("catalog.model", "Models and prices"), ("catalog.backend", "Backends")]),
    ("Staff", [("staff.incident", "Incidents"), ("staff.job", "Jobs"), ("audit.entry", "Audit trail")]),
]  # fmt: skip


class StaffSite(admin.AdminSite):
    site_header = site_title = "AkashML admin"
    index_title = "Admin"

    def get_urls(self) -> Pages:
        from apps.staff.addresses import pages  # which load the other apps' models

        return [*(path(address, self.admin_view(view), name=name) for address, view, name in pages()), *super().get_urls()]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Staff without a second factor are led to where they get one."""
        guarded = super().admin_view(view, cacheable)

        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if settings.STAFF_SECOND_FACTOR and self.has_permission(request) and not is_mfa_enabled(request.user):
                messages.warning(request, "The admin site needs a second factor: add an authenticator app or a passkey, then come back.")
                return redirect("security")
            answer: HttpResponse = guarded(request, *args, **kwargs)
            return answer

        return page

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        by_app = self._build_app_dict(request, app_label)
        if app_label is not None:
            return super().get_app_list(request, app_label)
        known = {f"{app}.{one['object_name'].lower()}": one for app, group in by_app.items() for one in group["models"]}
        groups = [_group(name, [known[key] | {"name": title} for key, title in entries if key in known]) for name, entries in GROUPS]
        rest = [one for key, one in known.items() if key not in {key for _, entries in GROUPS for key, _ in entries}]
        return [group for group in [_own_pages(request), *groups, _group("More", rest)] if group["models"]]


def _group(name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "app_label": name.lower(), "app_url": reverse("admin:index"), "has_module_perms": True, "models": models}


def _own_pages(request: HttpRequest) -> dict[str, Any]:
    from apps.staff.addresses import menu

    user: Any = request.user
    links: list[dict[str, Any]] = [
        {
            "name": title,
            "object_name": name.title(),
            "admin_url": reverse(f"admin:{name}"),
            "add_url": None,
            "perms": {},
            "view_only": True,
        }
        for title, name, permission in menu()
        if user.has_perm(permission)
    ]
    return _group("Operations", links)
