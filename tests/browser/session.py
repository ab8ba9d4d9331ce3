"""Being logged in without going through the log-in page."""

from __future__ import annotations

from django.conf import settings
from django.test import Client

from apps.accounts.models import User


def session_cookie(user: User) -> dict[str, str]:
    """A new session of this user, as the cookie that a browser would hold: its name and value."""
    client = Client()
    client.force_login(user)
    return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}
