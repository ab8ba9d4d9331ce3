"""The style page: every component in every state, for those who build pages. Staff only; to others it does not exist."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.core.icons import ICONS
from apps.core.ids import uuid7
from apps.dashboard.snippets import first_call

LONG_NAME = "an-organisation-with-a-very-long-name/A-Model-Whose-Name-Does-Not-End-In-Time-235B-A22B-Instruct-2507-FP8"


class ExampleForm(forms.Form):
    """Every kind of field there is."""

    name = forms.CharField(max_length=40, help_text="What the key is for. Only you see it.")
    email = forms.EmailField(required=False, label="E-mail")
    rpm = forms.IntegerField(min_value=1, max_value=10_000, required=False, label="Requests per minute", help_text="Empty: no limit.")
    password = forms.CharField(widget=forms.PasswordInput)
    model = forms.ChoiceField(choices=[("", "Any model"), ("a", "MiniMax-M2.5"), ("b", LONG_NAME)], required=False)
    expires = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), required=False)
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    kind = forms.ChoiceField(widget=forms.RadioSelect, choices=[("trial", "Trial credit"), ("paid", "Paid credit")], initial="paid")
    agree = forms.BooleanField(label="I saved the key", help_text="It is not shown again.")


def style_page(request: HttpRequest) -> HttpResponse:
    if not (request.user.is_authenticated and request.user.is_staff):
        raise Http404
    refused = ExampleForm({"name": "", "rpm": "-5", "email": "nobody", "password": "x", "kind": "paid"})
    if request.method == "POST":
        messages.success(request, "Key “production” revoked.")
        messages.error(request, "The card was declined: choose another one, or ask your bank.")
        messages.info(request, "Prices change on 1 December.")
    now = timezone.now()
    context = {
        "form": ExampleForm(prefix="blank"),
        "refused": refused,
        "icons": sorted(ICONS),
        "samples": first_call("https://api.example.com", "zai-org/GLM-5.3", agent_model="zai-org/GLM-5.3"),
        "long_name": LONG_NAME,
        "id": str(uuid7()),
        "amounts": [184_200_000_000, 2_329_000, 184_000, 37, 0, -2_640_000_000],
        "token_counts": [171, 9_999, 18_240, 1_240_000, 3_400_000_000],
        "times": [
            now,
            now - timedelta(seconds=42),
            now - timedelta(hours=3),
            now - timedelta(days=9),
            now - timedelta(days=90),
            now + timedelta(days=6),
        ],
        "toasts": [
            ("success", "check", "Key “production” revoked."),
            ("info", "info", "Prices change on 1 December."),
            ("warning", "warn", "Balance is below $5.00."),
            ("error", "warn", "The card was declined: choose another one, or ask your bank."),
        ],
        "swatches": {
            "Neutral": [f"n-{step}" for step in range(1, 13)],
            "Accent": ["accent", "accent-hover", "accent-text", "accent-soft"],
            "State": ["ok", "ok-text", "ok-soft", "warn", "warn-text", "warn-soft", "bad", "bad-text", "bad-soft"],
            "Series": [f"c-{number}" for number in range(1, 6)],
        },
    }
    return render(request, "style/page.html", context)
