"""Settings → Security: what a user logs in with, and the browsers that are logged in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from apps.accounts.access import current_user
from apps.accounts.models import User
from apps.accounts.queries import other_sessions_of, sessions_of
from apps.accounts.user_agents import describe, is_handheld


@dataclass(frozen=True, slots=True)
class SessionLine:
    handle: UUID
    device: str
    handheld: bool
    address: str | None
    created_at: datetime
    last_seen_at: datetime
    current: bool


@login_required
def security(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    factors = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    totp, recovery = (
        next((one for one in factors if one.type == kind), None) for kind in (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
    )
    context = {
        "totp": totp,
        "recovery_codes_left": len(recovery.wrap().get_unused_codes()) if recovery else None,
        "passkeys": [one for one in factors if one.type == Authenticator.Type.WEBAUTHN],
        "passkeys_work": passkeys_work(request),
        "connections": SocialAccount.objects.filter(user=user).order_by("provider"),
        "sessions": session_lines(user, request.session.session_key),
    }
    return render(request, "settings/security.html", context)


def session_lines(user: User, current: str | None) -> list[SessionLine]:
    """The current session first, then the one used last."""
    lines = [
        SessionLine(
            one.handle,
            describe(one.user_agent),
            is_handheld(one.user_agent),
            one.address,
            one.created_at,
            one.last_seen_at,
            one.pk == current,
        )
        for one in sessions_of(user)
    ]
    return sorted(lines, key=lambda line: (not line.current, -line.last_seen_at.timestamp()))


def passkeys_work(request: HttpRequest) -> bool:
    """Browsers keep passkeys for names, not for addresses such as 127.0.0.1, and only over https or on localhost."""
    host, _ = split_domain_port(request.get_host())
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return request.is_secure() or host == "localhost" or host.endswith(".localhost")
    return False


@require_POST
@login_required
def end_session(request: HttpRequest, handle: UUID) -> HttpResponse:
    """Sign out one other browser of the user's own."""
    ended, _ = other_sessions_of(current_user(request), request.session.session_key).filter(handle=handle).delete()
    if not ended:
        raise Http404
    messages.success(request, "That browser is signed out.")
    return redirect("security")


@require_POST
@login_required
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    other_sessions_of(current_user(request), request.session.session_key).delete()
    messages.success(request, "All other browsers are signed out.")
    return redirect("security")
