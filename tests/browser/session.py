"""Being logged in without going through the log-in page."""

from __future__ import annotations

from django.conf import settings
from django.test import Client

from apps.accounts.models import User


def session_cookie(user: User, port: int) -> dict[str, str]:
    """A new session of this user, as the cookie that a browser would hold for the site on this port: its name and value."""
    client = Client()
    client.force_login(user)
    return {"name": f"sessionid_{port}", "value": client.cookies[settings.SESSION_COOKIE_NAME].value}
