"""Settings → Profile: name, time zone, and the way to another e-mail address."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.access import acting_account, current_user
from apps.accounts.forms import ProfileForm


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    user, account = current_user(request), acting_account(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name, "time_zone": account.time_zone})
    if request.method == "POST" and form.is_valid():
        user.name, account.time_zone = form.cleaned_data["name"], form.cleaned_data["time_zone"]
        with transaction.atomic():
            user.save(update_fields=["name"])
            account.save(update_fields=["time_zone"])
        messages.success(request, "Profile saved.")
        return redirect("profile")
    return render(request, "settings/profile.html", {"form": form}, status=422 if form.errors else 200)
