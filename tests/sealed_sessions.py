"""Django's test client writes a session's id into the cookie as it is, and ours are encrypted: so it is taught.

`Client().force_login(user)` and `client.session` then work as Django documents them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.test import Client
from django.test.client import ClientMixin

from apps.accounts.session_cookie import seal, unseal
from apps.accounts.session_store import SessionStore


def teach_django_test_client() -> None:
    as_django_does = ClientMixin._set_login_cookies  # type: ignore[attr-defined]

    def set_login_cookies(client: Any, request: Any) -> None:
        as_django_does(client, request)
        client.cookies[settings.SESSION_COOKIE_NAME] = seal(request.session.session_key)

    def session(client: Any) -> SessionStore:
        found = session_of(client)
        if found is None:
            found = SessionStore()
            found.save()
            client.cookies[settings.SESSION_COOKIE_NAME] = seal(found.session_key or "")
        return found

    ClientMixin._set_login_cookies = set_login_cookies  # type: ignore[attr-defined]
    ClientMixin.session = property(session)  # type: ignore[assignment]


def session_of(client: Client) -> SessionStore | None:
    """The session that this client's cookie stands for; None without one that we made."""
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    sealed = unseal(cookie.value) if cookie else None
    return SessionStore(sealed.session_key) if sealed else None
