"""Promise (acceptance 38, 41): everybody changes their own settings and nobody else's; forms of other sites change nothing."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as site
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.actions import Registered
from apps.accounts.models import Session
from tests.accounts.visitors import PASSWORD, is_logged_in, last_mail_to, link_in, log_in, new_member, visitor
from tests.people import new_email
from tests.sealed_sessions import session_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"


def logged_in(member: Registered, **headers: str) -> Client:
    client = visitor(**headers)
    log_in(client, member.user.email)
    return client


@pytest.mark.parametrize("page", ["/settings/profile", "/settings/security", "/settings/data", "/settings/data/delete", "/accounts/email/"])
def test_strangers_are_sent_to_the_log_in_page_and_back(page: str) -> None:
    answer = visitor().get(page)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/accounts/login/?next=")
    client, member = visitor(), new_member()
    answer = client.post(answer.headers["location"], {"login": member.user.email, "password": PASSWORD, "next": page})
    assert answer.headers["location"] == page


@pytest.mark.parametrize("address", ["/settings", "/settings/profile", "/settings/security", "/settings/data", "/settings/data/delete"])
def test_both_spellings_answer(address: str) -> None:
    client = logged_in(new_member())
    assert client.get(address).status_code == client.get(f"{address}/").status_code


def test_name_and_time_zone() -> None:
    member, other = new_member(), new_member()
    client = logged_in(member)
    answer = client.post("/settings/profile", {"name": "  Ada <b>Lovelace</b> ", "time_zone": "Europe/Berlin"}, follow=True)
    assert "Profile saved." in answer.content.decode()
    assert "<b>Lovelace" not in answer.content.decode()
    member.user.refresh_from_db()
    member.account.refresh_from_db()
    assert (member.user.name, member.account.time_zone) == ("Ada <b>Lovelace</b>", "Europe/Berlin")
    other.account.refresh_from_db()
    assert other.account.time_zone == "UTC"


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "x" * 151), ("name", "a\x00b"), ("name", "a\nb"), ("time_zone", ""), ("time_zone", "Mars/Olympus"), ("time_zone", "../UTC")],
)
def test_a_wrong_field_is_said_and_what_was_typed_stays(field: str, value: str) -> None:
    client = logged_in(new_member())
    answer = client.post("/settings/profile", {"name": "Ada", "time_zone": "Europe/Berlin", field: value})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert "selected>Berlin" in answer.content.decode() or field == "time_zone"


def test_sessions_are_listed_with_device_and_address_and_signed_out_one_by_one() -> None:
    member = new_member()
    here, phone, library = (logged_in(member, HTTP_USER_AGENT=agent) for agent in (FIREFOX, IPHONE, "curl/8.0"))
    page = here.get("/settings/security").content.decode()
    for words in ("Firefox on Linux", "This browser", "Safari on iPhone", "curl"):
        assert words in page
    for session in Session.objects.filter(user=member.user):
        assert session.session_key not in page
        assert str(session.address) in page
    handle = Session.objects.get(user=member.user, user_agent=IPHONE).handle
    assert here.post(f"/settings/security/sessions/{handle}/end").status_code == 302
    assert [is_logged_in(client) for client in (here, phone, library)] == [True, False, True]
    assert here.post("/settings/security/sessions/end-others").status_code == 302
    assert [is_logged_in(client) for client in (here, phone, library)] == [True, False, False]


def test_another_accounts_session_is_not_found_nor_is_ones_own_ended_by_a_slip() -> None:
    owner, outsider = new_member(), new_member()
    client, stranger = logged_in(owner), logged_in(outsider)
    handle = Session.objects.get(user=owner.user).handle
    for unknown in (handle, uuid4()):
        assert stranger.post(f"/settings/security/sessions/{unknown}/end").status_code == 404
    stranger.post("/settings/security/sessions/end-others")
    assert is_logged_in(client)
    assert client.post(f"/settings/security/sessions/{handle}/end").status_code == 404
    assert visitor().post(f"/settings/security/sessions/{handle}/end").status_code == 302
    assert is_logged_in(client)
    assert client.get(f"/settings/security/sessions/{handle}/end").status_code == 405


def test_another_users_passkeys_and_connections_are_not_found() -> None:
    owner, outsider = new_member(), new_member()
    passkey = Authenticator.objects.create(user=owner.user, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": {}})
    connection = SocialAccount.objects.create(user=owner.user, provider="google", uid=f"g-{owner.user.pk}")
    stranger = logged_in(outsider)
    for action in ("edit", "remove"):
        address = f"/accounts/2fa/webauthn/keys/{passkey.pk}/{action}/"
        assert stranger.get(address).status_code == stranger.post(address, {"name": "Mine"}).status_code == 404
    stranger.post("/accounts/3rdparty/", {"account": connection.pk})
    assert stranger.post("/accounts/2fa/totp/deactivate/").status_code == 404
    assert stranger.get("/accounts/2fa/recovery-codes/").status_code == 404
    passkey.refresh_from_db()
    assert passkey.data["name"] == "Laptop"
    assert SocialAccount.objects.filter(pk=connection.pk).exists()
    assert "Laptop" not in stranger.get("/settings/security").content.decode()


def test_changing_the_password_signs_out_the_others_and_tells() -> None:
    member = new_member()
    client, other = logged_in(member), logged_in(member)
    assert client.post("/accounts/password/change/", {"oldpassword": "wrong", "password1": "a better password"}).status_code == 200
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": "a better password"})
    assert (is_logged_in(client), is_logged_in(other)) == (True, False)
    assert Session.objects.filter(user=member.user).count() == 1
    assert "password was changed" in last_mail_to(member.user.email).subject
    fresh = visitor()
    log_in(fresh, member.user.email, "a better password")
    assert is_logged_in(fresh)


def test_a_link_to_reset_is_good_once_and_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    member, client, late = new_member(), visitor(), visitor()
    session = logged_in(member)
    for browser in (client, late):
        browser.post("/accounts/password/reset/", {"email": member.user.email})
    link = link_in(last_mail_to(member.user.email))
    assert "no longer works" in late.get(f"{link[:-3]}x/").content.decode()
    target = client.get(link).headers["location"]
    assert link.rstrip("/").rsplit("-", 1)[1] not in target  # the key leaves the address at once
    client.post(target, {"password1": "a better password"})
    assert is_logged_in(client)
    assert not is_logged_in(session)
    assert "no longer works" in late.get(link).content.decode()


def test_logging_out_ends_the_session_and_takes_a_press_of_a_button() -> None:
    client = logged_in(new_member())
    session = session_of(client)
    cookie = client.cookies[site.SESSION_COOKIE_NAME].value
    client.get("/accounts/logout/")
    assert is_logged_in(client)
    client.post("/accounts/logout/")
    assert not is_logged_in(client)
    client.cookies[site.SESSION_COOKIE_NAME] = cookie
    assert not is_logged_in(client)
    assert not Session.objects.filter(pk=str(session and session.session_key)).exists()


def forms() -> list[str]:
    """Every address of the accounts' and settings' pages, whether it takes a form or not."""
    found: list[str] = []

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            address = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, address)
            elif address.startswith(("accounts/", "settings/")) and "(?" not in address and "[" not in address and "^" not in address:
                found.append("/" + re.sub(r"<uuid:\w+>", str(uuid4()), re.sub(r"<int:\w+>", "1", address)))

    walk(get_resolver().url_patterns, "")
    return found


# Addresses that only redirect or only read, whatever the method; and Google's own door, which checks a token of its own.
WITHOUT_FORMS = {"/accounts/google/login/token/"}


def test_a_form_without_its_token_is_refused_everywhere() -> None:
    client = Client(enforce_csrf_checks=True)
    member = new_member()
    client.force_login(member.user)
    addresses = [address for address in forms() if address not in WITHOUT_FORMS]
    assert len(addresses) > 30
    for address in addresses:
        answer = client.post(address, {"email": new_email(), "action_add": ""}, headers={"origin": "https://evil.example"})
        assert answer.status_code in (403, 301, 302), (address, answer.status_code)
        if answer.status_code != 403:
            assert answer.headers["location"].startswith("/settings/"), address
    member.user.refresh_from_db()
    assert member.user.is_active
    assert is_logged_in(client)


def test_a_mail_server_that_is_away_is_said_and_breaks_no_page(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(
        "django.core.mail.backends.locmem.EmailBackend.send_messages", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError())
    )
    email, client = new_email(), visitor()
    page = client.post("/accounts/signup/", {"email": email, "password1": PASSWORD}, follow=True)
    assert page.status_code == 200
    assert "could not send a mail" in page.content.decode()
    assert any(record.exc_info for record in caplog.records)
