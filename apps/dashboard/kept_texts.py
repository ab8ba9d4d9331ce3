"""Settings → Your data: whether prompts and answers are kept, for how long, and deleting them; also of a single request, on its page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.access import acting_account, current_user
from apps.accounts.models import MOST_KEEP_DAYS, Account, Role, User
from apps.texts import actions
from apps.texts.queries import texts_of

USUAL_DAYS = 7


class KeepForm(forms.Form):
    days = forms.IntegerField(
        label="Keep them for",
        min_value=1,
        max_value=MOST_KEEP_DAYS,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), f"Write a whole number of days from 1 to {MOST_KEEP_DAYS}."
        ),
    )


def context(account: Account, user: User, form: KeepForm | None = None) -> dict[str, Any]:
    """What the section of the page shows."""
    return {
        "keep_form": form or KeepForm(initial={"days": account.keep_days or USUAL_DAYS}),
        "keep_days": account.keep_days,
        "texts_kept": texts_of(account.pk).count(),
        "may_choose": _owns(user, account),
    }


@login_required
@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    account = _of_owner(request)
    actions.stop_keeping(account.pk)
    deleted = actions.delete_all(account.pk) if request.POST.get("delete") else 0
    messages.success(request, f"Prompts and answers are not kept any more{f'; {deleted:,} were deleted' if deleted else ''}.")
    return redirect("account-data")


@login_required
@require_POST
def delete_all(request: HttpRequest) -> HttpResponse:
    deleted = actions.delete_all(_of_owner(request).pk)
    messages.success(request, f"Deleted: the prompts and answers of {deleted:,} request{'' if deleted == 1 else 's'}.")
    return redirect("account-data")


@login_required
@require_POST
def delete_one(request: HttpRequest, identifier: UUID) -> HttpResponse:
    if not actions.delete_one(acting_account(request).pk, identifier):
        raise Http404
    messages.success(request, "Prompt and answer are deleted.")
    return redirect("inference", identifier)


def save(request: HttpRequest, form: KeepForm) -> bool:
    """Whether the choice was taken; else the form says why not. Raises PermissionDenied."""
    account = _of_owner(request)
    if not form.is_valid():
        return False
    actions.keep_for(account.pk, form.cleaned_data["days"])
    messages.success(request, f"Prompts and answers are kept for {form.cleaned_data['days']} days from now on.")
    return True


def _of_owner(request: HttpRequest) -> Account:
    """It is everybody's words that are kept: for the whole account an owner decides."""
    account = acting_account(request)
    if not _owns(current_user(request), account):
        raise PermissionDenied("Only an owner of the account can change this.")
    return account


def _owns(user: User, account: Account) -> bool:
    return account.memberships.filter(user=user, role=Role.OWNER).exists()
