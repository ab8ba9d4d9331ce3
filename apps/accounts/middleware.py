"""What every page knows about its visitor: the session behind the cookie, and the account they act for."""

from __future__ import annotations

from functools import partial

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from apps.accounts.access import account_or_none, time_zone_of
from apps.accounts.models import User
from apps.accounts.session_cookie import seal, unseal
from apps.accounts.session_store import SessionStore, Visitor
from apps.accounts.session_user import user_of
from apps.core.client_address import ip_of

USER = "_user_of_session"


class SealedSessionMiddleware(SessionMiddleware):
    """Django's sessions behind a cookie that only we can make or read (session_cookie.py)."""

    def process_request(self, request: HttpRequest) -> None:
        visitor = Visitor(ip_of(request), request.headers.get("User-Agent", ""))
        sealed = unseal(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        request.session = SessionStore(sealed.session_key if sealed else None, visitor)
        request.stale_session_key = sealed.session_key if sealed and sealed.stale else None  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = request.session
        assert isinstance(session, SessionStore)
        if session.accessed and session.session_key and session.session_key == request.stale_session_key:  # type: ignore[attr-defined]
            session.modified = True  # so that it is saved with a new expiry, and its cookie set
        response = super().process_response(request, response)
        if session.accessed and response.status_code < 500:
            session.mark_seen()
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is not None and cookie.value:
            response.cookies[settings.SESSION_COOKIE_NAME] = seal(cookie.value)  # keeps the cookie's other attributes
        return response


class UserMiddleware(AuthenticationMiddleware):
    """`request.user`: whose session it is (session_user.py), or nobody."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(partial(user_or_nobody, request))  # type: ignore[assignment]
        request.auser = sync_to_async(partial(user_or_nobody, request))


class AccountMiddleware(MiddlewareMixin):
    """`request.account`, looked up when first asked for, and dates of pages in the account's time zone.

    Code that needs the account calls `acting_account(request)`, which has a type; templates say `request.account`.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.account = SimpleLazyObject(partial(account_or_none, request))  # type: ignore[attr-defined]
        timezone.activate(time_zone_of(request))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        timezone.deactivate()
        return response


def user_or_nobody(request: HttpRequest) -> User | AnonymousUser:
    """The user of the request's session, judged once a request."""
    user: User | AnonymousUser | None = getattr(request, USER, None)
    if user is None:
        user = user_of(request.session) or AnonymousUser()
        setattr(request, USER, user)
    return user
