"""An account's desk: what it has and does, and what staff may do about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from apps.accounts.models import Account, AccountStatus, Membership
from apps.api_keys.models import ApiKey
from apps.audit.models import Entry
from apps.billing import debts
from apps.billing.credits import balance
from apps.billing.models import Payment, PoolKind
from apps.billing.queries import burn_rate
from apps.billing.suspension import is_by_debt
from apps.core.money import display_usd
from apps.dashboard.log_rows import named
from apps.staff import deeds
from apps.staff.account_forms import GrantForm, ReasonForm, RefundForm
from apps.usage import log

NEWEST = 8
PERMISSIONS = {
    "grant": ("staff.grant", "staff.grant_small"),
    "refund": ("staff.refund",),
    "suspend": ("staff.suspend",),
    "reinstate": ("staff.suspend",),
}


def desk(request: HttpRequest, account_id: int) -> HttpResponse:
    """Shows the account; a POST with `deed` does something to it."""
    if not request.user.has_perm("accounts.view_account"):
        raise PermissionDenied
    account = get_object_or_404(Account, pk=account_id)
    deed = request.POST.get("deed", "") if request.method == "POST" else ""
    forms = _forms(account, deed, request)
    if request.method == "POST":
        if not _may(request, deed):
            raise PermissionDenied
        form = forms[deed]
        if form.is_valid():
            try:
                _do(request, account, deed, form)
            except ValidationError as error:
                form.add_error(None, error)  # which names the field, if it is about one
            else:
                return redirect("admin:account-desk", account.pk)
        return render(request, "staff/account.html", _context(request, account, forms), status=422)
    return render(request, "staff/account.html", _context(request, account, forms))


def _may(request: HttpRequest, deed: str) -> bool:
    user: Any = request.user
    return any(user.has_perm(permission) for permission in PERMISSIONS.get(deed, ()))


def _forms(account: Account, deed: str, request: HttpRequest) -> dict[str, Form]:
    def data(name: str) -> Any:
        return request.POST if name == deed else None

    return {
        "grant": GrantForm(data("grant"), auto_id="grant-%s"),
        "refund": RefundForm(account.pk, data("refund"), auto_id="refund-%s"),
        "suspend": ReasonForm(data("suspend"), auto_id="suspend-%s"),
        "reinstate": ReasonForm(data("reinstate"), auto_id="reinstate-%s"),
    }


def _do(request: HttpRequest, account: Account, deed: str, form: Form) -> None:
    """Raises ValidationError."""
    said = form.cleaned_data
    if deed == "grant":
        assert isinstance(form, GrantForm)
        new = deeds.grant(request, account, said["token"], said["usd"], PoolKind(said["kind"]), form.expires_at, said["reason"])
        words = f"{display_usd(said['usd'])} granted." if new else "That was granted already: nothing was granted twice."
        messages.success(request, words)
    elif deed == "refund":
        row = deeds.refund(request, said["payment"], said["token"], said["usd"], said["reason"])
        messages.success(request, f"Refund of {display_usd(row.amount)}: {row.status or 'it is sent as soon as Stripe answers'}.")
    elif deed == "suspend":
        changed = deeds.suspend(request, account, said["reason"])
        messages.success(request, "Suspended, until staff reinstate it." if changed else "Staff had suspended it already.")
    else:
        status = deeds.reinstate(request, account, said["reason"])
        active = status == AccountStatus.ACTIVE
        messages.success(request, "Reinstated." if active else "It stays suspended for what it owes alone: paying that reinstates it.")


def _context(request: HttpRequest, account: Account, forms: dict[str, Form]) -> dict[str, Any]:
    may = {deed: _may(request, deed) for deed in PERMISSIONS}
    user: Any = request.user
    owed = debts.debt_of(account.pk)
    return {
        "account": Account.objects.get(pk=account.pk),
        "active": account.status == AccountStatus.ACTIVE,
        "closed": account.status == AccountStatus.CLOSED,
        "by_debt": is_by_debt(account.pk),
        "owed": owed,
        "members": Membership.objects.filter(account=account).select_related("user").order_by("created_at")[:20],
        "balance": balance(account.pk),
        "burn": burn_rate(account.pk),
        "payments": Payment.objects.filter(account=account).order_by("-pk")[:NEWEST],
        "keys": ApiKey.objects.filter(account=account).order_by("revoked_at", "-pk")[:NEWEST],
        "inferences": named(account, log.page(account.pk, limit=NEWEST).rows),
        "entries": Entry.objects.filter(account_id=account.pk).order_by("-pk")[:NEWEST] if user.has_perm("audit.view_entry") else [],
        "forms": forms,
        "may": may,
        "may_view": user.has_perm("staff.view_as") and account.status != AccountStatus.CLOSED,
        "opened": next((deed for deed, form in forms.items() if form.is_bound), ""),
    }
