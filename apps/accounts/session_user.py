"""Whose a session is: one judgement for pages and WebSockets.

Django's own gives a session another id when it meets one that was signed under an earlier SECRET_KEY. A page's parallel requests
then find theirs gone and are logged out; here the session keeps its id and is signed anew.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User


def user_of(session: SessionBase) -> User | None:
    """The active user who logged in with this session and has not changed their password since; None otherwise."""
    user_id, signature = session.get(SESSION_KEY), session.get(HASH_SESSION_KEY)
    if user_id is None or not signature or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return None
    current = user.get_session_auth_hash()
    if constant_time_compare(signature, current):
        return user
    if any(constant_time_compare(signature, earlier) for earlier in user.get_session_auth_fallback_hash()):
        session[HASH_SESSION_KEY] = current
        return user
    return None
