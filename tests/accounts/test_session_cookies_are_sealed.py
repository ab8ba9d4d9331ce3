"""Promise: a session's cookie can be neither read, forged nor altered, and a rotated SECRET_KEY logs nobody out."""

from __future__ import annotations

import base64
from datetime import timedelta
from http.cookies import Morsel

import pytest
from django.conf import settings as site
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import Session, User
from apps.accounts.session_cookie import LONGEST, seal, unseal
from apps.core.crypto import encrypt
from tests.people import new_customer
from tests.sealed_sessions import session_of

pytestmark = pytest.mark.urls("tests.accounts.pages")
NEXT_KEY = "another secret key, long enough to be one of production"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def cookie_of(client: Client) -> Morsel[str]:
    return client.cookies[site.SESSION_COOKIE_NAME]


def email_seen_by(client: Client) -> str | None:
    email: str | None = client.get("/whoami").json()["email"]
    return email


def test_the_cookie_is_not_the_sessions_id_and_does_not_show_it() -> None:
    client = Client()
    client.get("/remember?note=x")
    cookie, stored = cookie_of(client), session_of(client)
    assert stored is not None
    assert stored.session_key is not None
    assert stored["note"] == "x"
    assert stored.session_key not in cookie.value
    assert stored.session_key.encode() not in base64.urlsafe_b64decode(cookie.value)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
    assert cookie["max-age"] == 30 * 24 * 3600


def test_over_tls_the_cookie_is_secure(settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_NAME = True, "__Host-sessionid"
    cookie = Client().get("/remember?note=x").cookies["__Host-sessionid"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


def test_the_bare_id_of_a_session_is_no_cookie() -> None:
    user = new_customer().user
    session = session_of(logged_in(user))
    stranger = Client()
    stranger.cookies[site.SESSION_COOKIE_NAME] = str(session and session.session_key)
    assert email_seen_by(stranger) is None
    stranger.cookies[site.SESSION_COOKIE_NAME] = seal(str(session and session.session_key))
    assert email_seen_by(stranger) == user.email  # so it was the seal that was missing


def test_an_altered_cookie_is_no_session_wherever_it_was_altered() -> None:
    client = logged_in(new_customer().user)
    good = cookie_of(client).value
    assert unseal(good) is not None
    raw = base64.urlsafe_b64decode(good)
    for position in range(len(raw)):
        altered = base64.urlsafe_b64encode(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]).decode()
        assert unseal(altered) is None, position
    client.cookies[site.SESSION_COOKIE_NAME] = altered
    answer = client.get("/whoami")
    assert answer.json()["email"] is None
    assert answer.cookies[site.SESSION_COOKIE_NAME].value == ""  # and the browser is told to forget it


@pytest.mark.parametrize("cookie", ["", "x", "ключ", "a" * (LONGEST + 1), "\x00", "gAAAAA" + "A" * 134])
def test_what_is_no_cookie_of_ours_is_no_session(cookie: str) -> None:
    assert unseal(cookie) is None


def test_a_secret_sealed_for_another_use_is_no_cookie() -> None:
    session = session_of(logged_in(new_customer().user))
    assert unseal(encrypt(str(session and session.session_key), "another purpose")) is None


def test_a_rotated_secret_key_logs_nobody_out_and_issues_the_cookie_anew(settings: Settings) -> None:
    user = new_customer().user
    client = logged_in(user)
    old, session = cookie_of(client).value, session_of(client)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], NEXT_KEY
    answers = [client.get("/whoami"), logged_in_with(old).get("/whoami")]  # two at once: neither knows of the other's new cookie
    assert [answer.json()["email"] for answer in answers] == [user.email, user.email]
    settings.SECRET_KEY_FALLBACKS = []
    assert email_seen_by(client) == user.email
    assert email_seen_by(logged_in_with(old)) is None
    found = session_of(client)
    assert found is not None
    assert found.session_key == (session and session.session_key)


def logged_in_with(cookie: str) -> Client:
    client = Client()
    client.cookies[site.SESSION_COOKIE_NAME] = cookie
    return client


def test_a_session_lasts_from_its_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    client = logged_in(new_customer().user)
    session = session_of(client)
    key = str(session and session.session_key)
    assert site.SESSION_COOKIE_NAME not in client.get("/whoami").cookies  # not at every request
    Session.objects.filter(pk=key).update(expire_date=timezone.now() + timedelta(days=3))
    before = cookie_of(client).value
    monkeypatch.setattr("apps.core.crypto.time.time", lambda: timezone.now().timestamp() + 25 * 3600)
    assert client.get("/whoami").json()["email"]
    assert cookie_of(client).value != before
    assert Session.objects.get(pk=key).expire_date > timezone.now() + timedelta(days=29)


def test_a_cookie_older_than_a_session_may_be_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = seal("a" * 32)
    assert unseal(cookie) is not None
    monkeypatch.setattr("apps.core.crypto.time.time", lambda: timezone.now().timestamp() + site.SESSION_COOKIE_AGE + 60)
    assert unseal(cookie) is None


def test_a_stale_cookie_of_a_session_that_is_gone_makes_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    client = logged_in(new_customer().user)
    Session.objects.filter(pk=str(session_of(client) and client.session.session_key)).delete()
    monkeypatch.setattr("apps.core.crypto.time.time", lambda: timezone.now().timestamp() + 25 * 3600)
    rows = Session.objects.count()
    assert email_seen_by(client) is None
    assert Session.objects.count() == rows
