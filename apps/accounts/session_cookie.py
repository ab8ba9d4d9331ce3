"""The session cookie: the id of a session in the database, encrypted and authenticated under SECRET_KEY.

Whoever reads the table of sessions (a backup, an injection) cannot make a cookie of what is there, and a cookie that was
altered, cut or made up is no session at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from apps.core.crypto import Undecryptable, encrypt, open_sealed

PURPOSE = "session cookie"
LONGEST = 400  # bytes; ours have 140
# A cookie in use is issued anew once a day, so that a session ends SESSION_COOKIE_AGE after its last use and not after its first.
RENEWED_AFTER_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class SealedSession:
    """`session_key` is the session's id; `stale` when the cookie is to be issued anew: by age, or after a change of SECRET_KEY."""

    session_key: str
    stale: bool


def seal(session_key: str) -> str:
    """The cookie's value; another one at every call."""
    return encrypt(session_key, PURPOSE)


def unseal(cookie: str | None) -> SealedSession | None:
    """None for no cookie, and for one that none of our keys has made."""
    if not cookie or len(cookie) > LONGEST:
        return None
    try:
        opened = open_sealed(cookie, PURPOSE)
    except Undecryptable:
        return None
    if opened.age_s > settings.SESSION_COOKIE_AGE:
        return None
    return SealedSession(opened.text, stale=not opened.current or opened.age_s > RENEWED_AFTER_S)
