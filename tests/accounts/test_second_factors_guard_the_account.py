"""Promise: with a second factor the password alone opens nothing, no code is good twice, and no secret of it is readable at rest."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.actions import Registered, create_account_for
from tests.accounts.test_google_and_github_log_in import through
from tests.accounts.visitors import PASSWORD, is_logged_in, last_mail_to, link_in, log_in, new_member, visitor
from tests.fakes.oauth import FakeIdentityProvider, Person
from tests.people import new_email

ACTIVATE, AUTHENTICATE = "/accounts/2fa/totp/activate/", "/accounts/2fa/authenticate/"
NEXT_KEY = "another secret key, long enough to be one of production"


def code_of(secret: str, steps: int = 0) -> str:
    """What the app shows now, or some half minutes later."""
    return format_hotp_value(hotp_value(secret, int(timezone.now().timestamp()) // 30 + steps))


def with_totp() -> tuple[Registered, Client, str]:
    """A member who has just set up an app: they, their browser, and the app's secret."""
    member, client = new_member(), visitor()
    log_in(client, member.user.email)
    page = client.get(ACTIVATE)
    secret = page.context["form"].secret
    assert client.post(ACTIVATE, {"code": "000000"}).status_code == 200
    assert client.post(ACTIVATE, {"code": code_of(secret)}).headers["location"] == "/accounts/2fa/recovery-codes/"
    return member, client, secret


def recovery_codes(client: Client) -> list[str]:
    return re.findall(r"^\d{8}$", client.get("/accounts/2fa/recovery-codes/download/").content.decode(), re.MULTILINE)


def past_password(member: Registered) -> Client:
    client = visitor()
    assert log_in(client, member.user.email).headers["location"] == AUTHENTICATE
    assert not is_logged_in(client)
    return client


def test_a_code_of_the_app_lets_in_once() -> None:
    member, _, secret = with_totp()
    code = code_of(secret, 1)  # a clock that is half a minute ahead
    client = past_password(member)
    client.post(AUTHENTICATE, {"code": "000000"})
    assert not is_logged_in(client)
    client.post(AUTHENTICATE, {"code": code})
    assert is_logged_in(client)
    for same in (code, f"{code[:3]} {code[3:]}"):
        onlooker = past_password(member)
        onlooker.post(AUTHENTICATE, {"code": same})
        assert not is_logged_in(onlooker)
    assert "authenticator app was added" in last_mail_to(member.user.email).alternatives[0][0]


def test_codes_from_further_away_are_refused() -> None:
    member, _, secret = with_totp()
    for steps in (-3, 3):
        client = past_password(member)
        client.post(AUTHENTICATE, {"code": code_of(secret, steps)})
        assert not is_logged_in(client)


def test_a_recovery_code_lets_in_once() -> None:
    member, owner, _ = with_totp()
    codes = recovery_codes(owner)
    assert len(set(codes)) == 10
    client = past_password(member)
    client.post(AUTHENTICATE, {"code": codes[0]})
    assert is_logged_in(client)
    again = past_password(member)
    again.post(AUTHENTICATE, {"code": codes[0]})
    assert not is_logged_in(again)
    assert len(recovery_codes(owner)) == 9
    owner.post("/accounts/2fa/recovery-codes/generate/")
    assert codes[1] not in recovery_codes(owner)
    late = past_password(member)
    late.post(AUTHENTICATE, {"code": codes[1]})
    assert not is_logged_in(late)


def test_no_other_way_in_leads_past_it(provider: FakeIdentityProvider) -> None:
    member, _, secret = with_totp()
    provider.person = Person(member.user.email)
    by_google, by_link = visitor(), visitor()
    assert through(by_google, "google").headers["location"] == AUTHENTICATE
    by_link.post("/accounts/password/reset/", {"email": member.user.email})
    page = by_link.get(link_in(last_mail_to(member.user.email))).headers["location"]
    assert by_link.post(page, {"password1": "a better password"}).headers["location"] == AUTHENTICATE
    for client in (by_google, by_link):
        for address in ("/settings/security", "/accounts/password/change/", "/accounts/2fa/totp/deactivate/", "/settings/data/export"):
            assert client.get(address).status_code in (302, 403), address
        assert not is_logged_in(client)
    by_google.post(AUTHENTICATE, {"code": code_of(secret, 1)})
    assert is_logged_in(by_google)


def test_guessing_codes_is_throttled() -> None:
    member, _, secret = with_totp()
    for number in range(5):
        past_password(member).post(AUTHENTICATE, {"code": f"{number:06}"})
    client = past_password(member)
    assert "Too many" in client.post(AUTHENTICATE, {"code": code_of(secret, 1)}).content.decode()
    assert not is_logged_in(client)


def test_turning_it_off_takes_effect_and_is_told() -> None:
    member, client, _ = with_totp()
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=member.user).exists()
    assert "turned off" in last_mail_to(member.user.email).subject
    fresh = visitor()
    log_in(fresh, member.user.email)
    assert is_logged_in(fresh)


SENSITIVE = [
    ACTIVATE,
    "/accounts/2fa/webauthn/add/",
    "/accounts/2fa/recovery-codes/generate/",
    "/settings/data/delete",
    "/settings/data/export",
]


@pytest.mark.parametrize("address", SENSITIVE)
def test_what_guards_the_account_wants_a_fresh_proof(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member, client = new_member(), visitor()
    log_in(client, member.user.email)
    assert client.get(address).status_code == 200  # just logged in
    now = timezone.now().timestamp()
    monkeypatch.setattr("apps.accounts.adapters.time.time", lambda: now + 601)
    answer = client.get(address)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (302, "/accounts/reauthenticate/")
    assert client.post(answer.headers["location"], {"password": "not the password"}).status_code == 200
    assert client.get(address).status_code == 302
    assert client.post(answer.headers["location"], {"password": PASSWORD}).headers["location"].rstrip("/") == address.rstrip("/")


def test_secrets_are_encrypted_in_the_database_and_shown_to_no_staff(settings: Settings) -> None:
    member, owner, secret = with_totp()
    stored = rows("SELECT data::text FROM mfa_authenticator WHERE user_id = %s", member.user.pk)
    assert secret not in stored
    assert not any(code in stored for code in recovery_codes(owner))
    assert secret not in rows("SELECT session_data FROM accounts_session WHERE user_id = %s", member.user.pk)
    assert not admin.site.is_registered(Authenticator)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], NEXT_KEY
    client = past_password(member)
    client.post(AUTHENTICATE, {"code": code_of(secret, 1)})
    assert is_logged_in(client)


def rows(query: str, *values: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return "\n".join(str(row[0]) for row in cursor.fetchall())


def test_staff_log_in_to_the_admin_site_with_their_second_factor() -> None:
    member, _, secret = with_totp()
    member.user.is_staff = member.user.is_superuser = True
    member.user.save()
    client = visitor()
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"
    log_in(client, member.user.email, next="/admin/")
    assert client.get("/admin/").status_code == 302
    assert client.post(AUTHENTICATE, {"code": code_of(secret, 1)}).headers["location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    customer = visitor()
    log_in(customer, new_member().user.email)
    assert customer.get("/admin/", follow=True).status_code == 403


def test_staff_help_whoever_has_lost_everything() -> None:
    member, owner, _ = with_totp()
    staff = create_account_for(new_email(), PASSWORD, staff=True)
    client = visitor()
    log_in(client, staff.user.email)
    action = {"action": "remove_second_factors", "_selected_action": [member.user.pk]}
    assert "Done for 1" in client.post("/admin/accounts/user/", action, follow=True).content.decode()
    assert not is_logged_in(owner)
    assert "were removed" in last_mail_to(member.user.email).subject
    assert "Removed second factors" in client.get(f"/admin/accounts/user/{member.user.pk}/history/").content.decode()
    log_in(owner, member.user.email)
    assert is_logged_in(owner)
    assert visitor().post("/admin/accounts/user/", action).status_code == 302
