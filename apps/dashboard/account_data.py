"""Settings → Your data: taking it along, and deleting the account."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from apps.accounts.access import acting_account, current_user
from apps.api_keys.queries import usable_keys_of
from apps.billing import credits
from apps.dashboard import closing, kept_texts
from apps.dashboard.export import export


class DeletionForm(forms.Form):
    """The user types their own address, so that nobody deletes an account by a slip."""

    email = forms.CharField(label="Your email address", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}))

    def __init__(self, *args: object, email: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.expected = email

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.strip().lower() != self.expected.lower():
            raise ValidationError(f"Type {self.expected} to confirm.")
        return email


@login_required
def account_data(request: HttpRequest) -> HttpResponse:
    """Posting it chooses for how long prompts and answers are kept."""
    form = kept_texts.KeepForm(request.POST) if request.method == "POST" else None
    if form is not None and kept_texts.save(request, form):
        return redirect("account-data")
    context = kept_texts.context(acting_account(request), current_user(request), form)
    return render(request, "settings/data.html", context, status=422 if form is not None else 200)


@login_required
@reauthentication_required
def download(request: HttpRequest) -> StreamingHttpResponse:
    user, account = current_user(request), acting_account(request)
    name = f"akashml-{account.pk}-{timezone.now():%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(export(user, account), content_type="application/json", headers=headers)


@login_required
@reauthentication_required
def delete_account(request: HttpRequest) -> HttpResponse:
    user, account = current_user(request), acting_account(request)
    email = user.email
    form = DeletionForm(request.POST or None, email=email)
    if request.method == "POST" and form.is_valid():
        try:
            closing.delete_user(user)
        except ValidationError as refusal:
            form.add_error(None, refusal)
        else:
            logout(request)
            get_adapter(request).send_mail("account/email/account_deleted", email, {})
            messages.success(request, "Your account is deleted.")
            return redirect("home")
    balance = credits.balance(account.pk)
    context = {"form": form, "balance": balance, "keys": usable_keys_of(account).count()}
    return render(request, "settings/delete.html", context, status=422 if form.errors else 200)
