"""Settings → Alerts: the monthly budget, whom to tell when it is spent, and the webhook with its log."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import acting_account
from apps.accounts.models import Account
from apps.budgets import actions
from apps.budgets.models import LONGEST_URL, Budget
from apps.budgets.queries import alerts_of, budget_of, deliveries_of
from apps.budgets.watch import spent_this_month
from apps.core.money import usd_from_nano

SHOWN = 20  # deliveries, and alerts


class BudgetForm(forms.Form):
    """The actions of apps.budgets say what is wrong with what is typed."""

    amount = forms.CharField(label="Budget for a month", max_length=16)
    thresholds = forms.CharField(label="Tell me at", max_length=60, help_text="Percent of the budget, separated by commas.")
    by_mail = forms.BooleanField(label="By mail", required=False, widget=forms.CheckboxInput(attrs={"class": "toggle", "role": "switch"}))
    webhook_url = forms.CharField(
        label="By webhook",
        required=False,
        max_length=LONGEST_URL,
        help_text="An address of yours that takes a POST. Leave it empty for none.",
    )

    def __init__(self, data: Any = None, *, budget: Budget | None) -> None:
        shown: dict[str, Any] = {"amount": "", "thresholds": "50, 80, 100", "by_mail": True, "webhook_url": ""}
        if budget is not None:
            shown = {
                "amount": usd_from_nano(budget.amount),
                "thresholds": ", ".join(map(str, budget.thresholds)),
                "by_mail": budget.by_mail,
                "webhook_url": budget.webhook_url,
            }
        super().__init__(data, initial=shown)
        self.fields["amount"].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        self.fields["webhook_url"].widget.attrs |= {
            "inputmode": "url",
            "autocomplete": "off",
            "spellcheck": "false",
            "placeholder": "https://",
        }

    def clean_thresholds(self) -> list[int]:
        try:
            return actions.thresholds_from_text(self.cleaned_data["thresholds"])
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def save(self, account: Account) -> actions.Configured | None:
        """None, with the errors in the form, when it was refused."""
        try:
            return actions.configure(account, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
            return None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alerts(request: HttpRequest) -> HttpResponse:
    account = acting_account(request)
    if request.method != "POST":
        return _page(request, account)
    form = BudgetForm(request.POST, budget=budget_of(account.pk))
    made = form.save(account) if form.is_valid() else None
    if made is None:
        return _page(request, account, form=form, status=422)
    messages.success(request, "The budget is set.")
    return _page(request, account, secret=made.secret) if made.secret else redirect("alerts")


@login_required
@require_POST
def remove_budget(request: HttpRequest) -> HttpResponse:
    if actions.remove(acting_account(request).pk):
        messages.success(request, "The budget is removed. Nobody is told any more.")
    return redirect("alerts")


@login_required
@require_POST
def rotate_secret(request: HttpRequest) -> HttpResponse:
    account = acting_account(request)
    try:
        return _page(request, account, secret=actions.rotate_secret(account.pk))
    except Budget.DoesNotExist:
        raise Http404 from None


@login_required
@require_POST
def send_test(request: HttpRequest) -> HttpResponse:
    try:
        actions.send_test(acting_account(request).pk)
    except Budget.DoesNotExist:
        raise Http404 from None
    except actions.TooManyTests as error:
        messages.error(request, f"{error.messages[0]}.")
    return deliveries(request) if "HX-Request" in request.headers else redirect("alerts")


@login_required
@require_safe
def delivery_log(request: HttpRequest) -> HttpResponse:
    """The log alone, which the page asks for again while something is under way."""
    return deliveries(request)


def deliveries(request: HttpRequest) -> HttpResponse:
    return render(request, "settings/_deliveries.html", _log(acting_account(request)))


def _log(account: Account) -> dict[str, Any]:
    rows = list(deliveries_of(account.pk)[:SHOWN])
    # A test is over within seconds; what is tried again in minutes or hours is not waited for.
    return {"deliveries": rows, "under_way": any(row.ended_at is None and row.attempts == 0 for row in rows)}


def _page(request: HttpRequest, account: Account, *, form: BudgetForm | None = None, secret: str = "", status: int = 200) -> HttpResponse:
    budget, spent = budget_of(account.pk), spent_this_month(account)
    context = {
        "budget": budget,
        "form": form or BudgetForm(budget=budget),
        "spent": spent,
        "last_day": spent.month.end,
        "percent": spent.amount * 100 // budget.amount if budget else 0,
        "alerts": alerts_of(account.pk)[:SHOWN],
        "secret": secret,
        **_log(account),
    }
    return render(request, "settings/alerts.html", context, status=status)
