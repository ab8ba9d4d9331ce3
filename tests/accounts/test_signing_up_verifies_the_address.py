"""Promise: whoever signs up proves the address by the code that was mailed there, and then owns an account."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from django.db import connection

from apps.accounts.models import Membership, Role, User
from apps.accounts.queries import account_of, user_by_email
from tests.accounts.visitors import PASSWORD, code_in, is_logged_in, last_mail_to, log_in, mails_to, sign_up, visitor
from tests.people import new_email

CONFIRM = "/accounts/confirm-email/"


def test_sign_up_code_and_in() -> None:
    client, email = visitor(), new_email()
    answer = sign_up(client, email.upper())
    assert (answer.status_code, answer.headers["location"]) == (302, CONFIRM)
    assert not is_logged_in(client)
    assert email in client.get(CONFIRM).content.decode()
    answer = client.post(CONFIRM, {"code": code_in(last_mail_to(email))})
    assert answer.status_code == 302
    assert is_logged_in(client)
    user = User.objects.get(email=email)
    assert EmailAddress.objects.get(user=user).verified
    assert user.password.startswith("argon2$argon2id$")
    membership = Membership.objects.get(user=user)
    assert (membership.role, membership.account) == (Role.OWNER, account_of(user))
    assert is_logged_in(log_in_afresh(email))


def log_in_afresh(email: str):  # type: ignore[no-untyped-def]
    client = visitor()
    log_in(client, email)
    return client


def test_after_signing_up_one_goes_where_one_wanted_to() -> None:
    client, email = visitor(), new_email()
    client.post("/accounts/signup/", {"email": email, "password1": PASSWORD, "next": "/accounts/password/change/"})
    answer = client.post(CONFIRM, {"code": code_in(last_mail_to(email))})
    assert answer.headers["location"] == "/accounts/password/change/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(target: str) -> None:
    client, email = visitor(), new_email()
    client.post("/accounts/signup/", {"email": email, "password1": PASSWORD, "next": target})
    answer = client.post(CONFIRM, {"code": code_in(last_mail_to(email))})
    assert answer.status_code == 302
    assert "evil" not in answer.headers["location"]
    assert "javascript" not in answer.headers["location"]


def test_a_code_may_be_typed_without_its_dash_and_is_good_once() -> None:
    client, email = visitor(), new_email()
    sign_up(client, email)
    code = code_in(last_mail_to(email))
    client.post(CONFIRM, {"code": f" {code.replace('-', '')} "})
    assert is_logged_in(client)
    other = visitor()
    other.post(CONFIRM, {"code": code})
    assert not is_logged_in(other)


def test_three_wrong_codes_end_the_sign_up_and_the_right_one_then_opens_nothing() -> None:
    client, email = visitor(), new_email()
    sign_up(client, email)
    code = code_in(last_mail_to(email))
    answers = [client.post(CONFIRM, {"code": wrong}, follow=True) for wrong in ("0000-0000", "", "x" * 1000, "ключ-ключ")]
    assert answers[0].status_code == 200
    assert "we send you a new one" in "".join(answer.content.decode() for answer in answers)
    client.post(CONFIRM, {"code": code})
    assert not is_logged_in(client)
    assert not EmailAddress.objects.get(email=email).verified


def test_a_code_is_good_for_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    client, email = visitor(), new_email()
    sign_up(client, email)
    code, now = code_in(last_mail_to(email)), time.time()
    monkeypatch.setattr("time.time", lambda: now + 31 * 60)
    client.post(CONFIRM, {"code": code})
    assert not is_logged_in(client)


def test_another_code_replaces_the_first() -> None:
    client, email = visitor(), new_email()
    sign_up(client, email)
    first = code_in(last_mail_to(email))
    too_soon = client.post(CONFIRM, {"action": "resend"}, follow=True)  # ten seconds between two mails
    assert "a moment ago" in too_soon.content.decode()
    assert len(mails_to(email)) == 1
    forget_attempts(email)
    assert client.post(CONFIRM, {"action": "resend"}).status_code == 302
    second = code_in(last_mail_to(email))
    assert second != first
    client.post(CONFIRM, {"code": first})
    assert not is_logged_in(client)
    client.post(CONFIRM, {"code": second})
    assert is_logged_in(client)


def forget_attempts(email: str) -> None:
    """As if ten seconds had passed since the last mail to this address."""
    from allauth.account import app_settings
    from allauth.core.internal import ratelimit
    from django.core.cache import cache
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    for rate in ratelimit.parse_rates(app_settings.RATE_LIMITS["confirm_email"]):
        cache.delete(ratelimit.get_cache_key(request, app="allauth.account", action="confirm_email", rate=rate, key=email))


def test_the_right_password_of_an_unverified_address_leads_to_the_code_and_not_in() -> None:
    email = new_email()
    sign_up(visitor(), email)
    forget_attempts(email)
    client = visitor()
    answer = log_in(client, email)
    assert answer.headers["location"] == CONFIRM
    assert not is_logged_in(client)
    client.post(CONFIRM, {"code": code_in(last_mail_to(email))})
    assert is_logged_in(client)


def test_a_password_is_ten_characters_and_not_a_common_one() -> None:
    for password in ("", "short", "password123", "qwertyuiop"):
        email = new_email()
        answer = sign_up(visitor(), email, password)
        assert answer.status_code in (200, 422), password
        assert user_by_email(email) is None


@pytest.mark.parametrize("email", ["", "nobody", "a@", "a b@example.com", "a@example.com\nbcc: b@example.com", "x" * 300 + "@example.com"])
def test_what_is_no_address_is_said_at_its_field(email: str) -> None:
    answer = sign_up(visitor(), email)
    assert answer.status_code in (200, 422)
    assert "email" in answer.context["form"].errors


def test_two_sign_ups_with_one_address_at_once_make_one_user() -> None:
    email = new_email()

    def sign_up_once(_: int) -> int:
        try:
            return int(sign_up(visitor(), email).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(sign_up_once, range(4)))
    assert User.objects.filter(email=email).count() == 1
    assert set(statuses) <= {302, 429}
