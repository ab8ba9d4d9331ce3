"""Promise: whoever Google or GitHub vouches for is signed up and logged in, with one verified address, and nothing else is taken for proof."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from akashml import oauth
from apps.accounts.models import Membership
from apps.accounts.queries import account_of, user_by_email
from tests.accounts.visitors import PASSWORD, code_in, is_logged_in, last_mail_to, log_in, mails_to, new_member, visitor
from tests.fakes.oauth import FakeIdentityProvider, Person
from tests.people import new_email

BOTH = pytest.mark.parametrize("name", ["google", "github"])


def through(client: Client, name: str, query: str = "") -> Any:
    """What a browser does: presses the button, goes there, comes back. The last answer of ours."""
    answer = client.post(f"/accounts/{name}/login/{query}")
    assert answer.status_code == 302, answer.content.decode()
    back = httpx.get(answer.headers["location"]).headers["location"]
    parts = urlsplit(back)
    assert parts.netloc == "testserver"
    return client.get(f"{parts.path}?{parts.query}")


@BOTH
def test_a_new_person_is_signed_up_and_logged_in(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = Person(new_email().upper().replace("EXAMPLE.COM", "example.com"), name="Ada Lovelace")
    client, email = visitor(), provider.person.email.lower()
    answer = through(client, name)
    assert answer.status_code == 302
    assert is_logged_in(client)
    user = user_by_email(email)
    assert user is not None
    assert (user.email, user.name, user.has_usable_password()) == (email, "Ada Lovelace", False)
    assert [(one.email, one.verified, one.primary) for one in EmailAddress.objects.filter(user=user)] == [(email, True, True)]
    assert Membership.objects.get(user=user).account == account_of(user)
    assert mails_to(email) == []  # nothing to verify
    again = visitor()
    through(again, name)
    assert is_logged_in(again)
    assert SocialAccount.objects.filter(user=user).count() == 1
    assert not SocialToken.objects.exists()  # we keep no key to anybody's account there


@BOTH
def test_after_logging_in_one_goes_where_one_wanted_to(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = Person(new_email())
    assert through(visitor(), name, "?next=/settings/security").headers["location"] == "/settings/security"
    assert "evil" not in through(visitor(), name, "?next=https://evil.example/").headers["location"]


@BOTH
def test_an_address_that_is_not_verified_there_has_to_be_verified_here(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = Person(new_email(), verified=False)
    client, email = visitor(), provider.person.email
    assert through(client, name).headers["location"] == "/accounts/confirm-email/"
    assert not is_logged_in(client)
    client.post("/accounts/confirm-email/", {"code": code_in(last_mail_to(email))})
    assert is_logged_in(client)


@BOTH
def test_an_address_that_is_not_verified_there_opens_nobodys_account(provider: FakeIdentityProvider, name: str) -> None:
    member = new_member()
    provider.person = Person(member.user.email, verified=False)
    client = visitor()
    assert through(client, name).headers["location"] == "/accounts/confirm-email/"  # as for an address that nobody has
    assert not is_logged_in(client)
    assert "already" in last_mail_to(member.user.email).body
    assert not SocialAccount.objects.filter(user=member.user).exists()


@BOTH
def test_whoever_proves_an_address_is_logged_in_to_the_account_that_has_it(provider: FakeIdentityProvider, name: str) -> None:
    member = new_member()
    provider.person = Person(member.user.email)
    client = visitor()
    through(client, name)
    assert is_logged_in(client)
    assert SocialAccount.objects.get(user=member.user).provider == name
    assert "now logs you in" in last_mail_to(member.user.email).subject
    assert is_logged_in_with_password(member.user.email)  # it was verified here before: the password stays


def is_logged_in_with_password(email: str) -> bool:
    client = visitor()
    log_in(client, email, PASSWORD)
    return is_logged_in(client)


def test_of_many_addresses_the_primary_one_counts(provider: FakeIdentityProvider) -> None:
    other_member, email = new_member(), new_email()
    provider.person = Person(email, others=((other_member.user.email, True), (new_email(), False)))
    client = visitor()
    through(client, "github")
    user = user_by_email(email)
    assert user is not None
    assert [one.email for one in EmailAddress.objects.filter(user=user)] == [email]
    assert not SocialAccount.objects.filter(user=other_member.user).exists()


@BOTH
def test_a_refusal_there_is_said_and_changes_nothing(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = None
    client = visitor()
    answer = through(client, name)
    page = client.get(answer.headers["location"]) if answer.status_code == 302 else answer
    assert "cancelled" in page.content.decode()
    assert not is_logged_in(client)


@BOTH
def test_an_answer_that_nobody_asked_for_is_no_log_in(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = Person(new_email())
    victim, attacker = visitor(), visitor()
    started = attacker.post(f"/accounts/{name}/login/")
    parts = urlsplit(httpx.get(started.headers["location"]).headers["location"])
    answer = victim.get(f"{parts.path}?{parts.query}")  # the attacker's answer, in the victim's browser
    assert "did not work" in answer.content.decode()
    assert not is_logged_in(victim)
    for query in ("", "?code=x", "?code=x&state=y", "?state=&code="):
        assert visitor().get(f"/accounts/{name}/login/callback/{query}").status_code < 500


@BOTH
def test_a_code_is_taken_once(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = Person(new_email())
    client = visitor()
    parts = urlsplit(httpx.get(client.post(f"/accounts/{name}/login/").headers["location"]).headers["location"])
    client.get(f"{parts.path}?{parts.query}")
    client.post("/accounts/logout/")
    assert "did not work" in client.get(f"{parts.path}?{parts.query}").content.decode()
    assert not is_logged_in(client)


@BOTH
def test_connecting_and_disconnecting(provider: FakeIdentityProvider, name: str) -> None:
    member, stranger = new_member(), new_member()
    client = visitor()
    log_in(client, member.user.email)
    provider.person = Person(new_email())  # another address there than here
    assert through(client, name, "?process=connect").headers["location"] == "/accounts/3rdparty/"
    connection = SocialAccount.objects.get(user=member.user)
    assert member.user.email == user_by_email(member.user.email).email  # type: ignore[union-attr]  # and it stays
    other = visitor()
    log_in(other, stranger.user.email)
    other.post("/accounts/3rdparty/", {"account": connection.pk})
    assert SocialAccount.objects.filter(pk=connection.pk).exists()  # another's is not theirs to cut
    through(other, name, "?process=connect")
    assert SocialAccount.objects.get(provider=name, uid=provider.person.uid).user == member.user  # nor to take
    client.post("/accounts/3rdparty/", {"account": connection.pk})
    assert not SocialAccount.objects.filter(pk=connection.pk).exists()
    assert "was disconnected" in last_mail_to(member.user.email).subject


@BOTH
def test_the_last_way_in_cannot_be_cut(provider: FakeIdentityProvider, name: str) -> None:
    provider.person = Person(new_email())
    client = visitor()
    through(client, name)
    connection = SocialAccount.objects.get(provider=name, uid=provider.person.uid)
    answer = client.post("/accounts/3rdparty/", {"account": connection.pk})
    assert "no password" in answer.content.decode()
    assert SocialAccount.objects.filter(pk=connection.pk).exists()


def test_there_are_buttons_only_for_what_is_set_up(settings: Settings, provider: FakeIdentityProvider) -> None:
    assert b"/accounts/google/login/" in visitor().get("/accounts/login/").content
    settings.SOCIALACCOUNT_PROVIDERS = {name: {**options, "APPS": []} for name, options in settings.SOCIALACCOUNT_PROVIDERS.items()}
    for page in ("/accounts/login/", "/accounts/signup/"):
        content = visitor().get(page).content
        assert b"/accounts/google/login/" not in content
        assert b"/accounts/github/login/" not in content
    assert visitor().post("/accounts/google/login/").status_code == 404


def test_half_a_client_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLIENT_ID", "x")
    monkeypatch.delenv("GOOGLE_CLIENT_SECRET", raising=False)
    with pytest.raises(ImproperlyConfigured, match="GOOGLE_CLIENT_SECRET"):
        oauth.providers()
