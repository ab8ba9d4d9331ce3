"""The form with which anybody asks for a model that is not offered. What they write is kept for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts.access import account_or_none
from apps.dashboard.models import ModelRequest


class AskForm(forms.ModelForm):
    class Meta:
        model = ModelRequest
        fields = ("name", "purpose", "email")
        labels: ClassVar = {"name": "Which model", "purpose": "What for", "email": "Your e-mail address"}
        help_texts: ClassVar = {
            "name": "Its name, or the address of its page on Hugging Face.",
            "purpose": "How many tokens a day, which context, which features: it helps us to decide.",
            "email": "We write when it is there, and for nothing else.",
        }
        widgets: ClassVar = {"purpose": forms.Textarea(attrs={"rows": 4}), "email": forms.EmailInput(attrs={"autocomplete": "email"})}

    def __init__(self, *arguments: Any, email: str = "", **options: Any) -> None:
        """`email`: of who is logged in, who is not asked for one."""
        super().__init__(*arguments, **options)
        self.known_email = email
        if email:
            del self.fields["email"]

    def save(self, commit: bool = True) -> Any:
        self.instance.email = self.known_email or self.instance.email
        return super().save(commit)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """A few an hour from one address of the network (ACCOUNT_RATE_LIMITS); more is 429, and what was typed stays."""
    email = request.user.email if request.user.is_authenticated else ""
    form = AskForm(request.POST or None, email=email, initial={"name": request.GET.get("name", "")[:200]})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            if ratelimit.consume(request, action="ask_for_model"):
                form.instance.account = account_or_none(request)
                form.save()
                messages.success(request, "Thank you. We look at every request, and write to you when the model is there.")
                return redirect("models")
            form.add_error(None, "That is a lot of requests in a short time. Try again in an hour.")
            status = 429
    return render(request, "dashboard/catalogue/ask.html", {"form": form, "known": request.user.is_authenticated}, status=status)
