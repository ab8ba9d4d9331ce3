"""The door for WebSockets: the site's own pages only, and only for whoever is logged in there.

A browser sends its cookies along with a WebSocket that any page of any site opens, and asks nobody first; so the page's
origin is judged here, before a consumer hears of it. The session is the one of the pages (session_cookie.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from apps.accounts.access import account_of_user
from apps.accounts.session_cookie import unseal
from apps.accounts.session_store import SessionStore
from apps.accounts.session_user import user_of

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Door:
    """An ASGI application for WebSockets. `routes` maps addresses, without a trailing slash, to consumers.

    A consumer finds `user`, `account` and `session` in its scope, and asks `is_still_logged_in(scope)` before it does anything
    that costs: a connection may outlive its session. A foreign or missing Origin, a visitor without a session and an unknown
    address are refused before the handshake, which browsers see as 403.
    """

    def __init__(self, routes: Mapping[str, App]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        consumer = self._routes.get(scope["path"].rstrip("/"))
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        session_key = _session_key(headers.get("cookie", ""))
        if consumer is None or session_key is None or not is_own_origin(headers.get("origin", ""), headers.get("host", "")):
            await send({"type": "websocket.close", "code": 4403})
            return
        entrance = await database_sync_to_async(_enter)(session_key)
        if entrance is None:
            await send({"type": "websocket.close", "code": 4403})
            return
        await consumer({**scope, **entrance}, receive, send)


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin is ours: it came from the very host (and port) that it calls now, which is one of
    ALLOWED_HOSTS, by the scheme that BASE_URL has; or it is one of CSRF_TRUSTED_ORIGINS."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    name, _ = split_domain_port(host)
    return page.scheme == urlsplit(settings.BASE_URL).scheme and page.netloc == host and validate_host(name, settings.ALLOWED_HOSTS)


async def is_still_logged_in(scope: Scope) -> bool:
    """Whether the session that a connection was opened with still is the user's: False once it was signed out, ran out, or the
    password was changed."""
    entrance = await database_sync_to_async(_enter)(scope["session"].session_key)
    return entrance is not None and entrance["user"] == scope["user"] and entrance["account"] == scope["account"]


def _session_key(cookies: str) -> str | None:
    try:
        cookie = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    sealed = unseal(cookie.value) if cookie else None
    return sealed.session_key if sealed else None


def _enter(session_key: str | None) -> Scope | None:
    """What a consumer finds in its scope; None when nobody is logged in with this session."""
    session = SessionStore(session_key)
    user = user_of(session)
    return {"user": user, "account": account_of_user(user), "session": session} if user else None
