"""Promise: signing up, logging in and resetting a password say the same, send as much mail and take as much work for an
address that somebody has as for one that nobody has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail

from apps.accounts import hashers
from tests.accounts.visitors import PASSWORD, log_in, mails_to, new_member, sign_up, visitor
from tests.people import new_customer, new_email

TOKEN = re.compile(r'(name="csrfmiddlewaretoken" value|name="csrf-token" content)="[^"]+"')


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """One entry for each password that was hashed, which is what the time of an answer goes into."""
    made: list[str] = []
    as_ever = hashers.PasswordHasher.encode

    def encode(self: Any, password: str, salt: str) -> str:
        made.append(password)
        return as_ever(self, password, salt)

    monkeypatch.setattr(hashers.PasswordHasher, "encode", encode)
    verify = hashers.PasswordHasher.verify
    monkeypatch.setattr(
        hashers.PasswordHasher, "verify", lambda self, password, encoded: made.append(password) or verify(self, password, encoded)
    )
    return made


def seen(answer: Any, email: str) -> tuple[int, str, str]:
    """What distinguishes an answer, with what must differ taken out."""
    body = TOKEN.sub("", answer.content.decode()).replace(email, "EMAIL")
    return answer.status_code, answer.headers.get("location", ""), body


def with_password() -> str:
    return new_member().user.email


def without_password() -> str:
    return new_customer().user.email


def unverified() -> str:
    email = new_email()
    sign_up(visitor(), email)
    from tests.accounts.test_signing_up_verifies_the_address import forget_attempts

    forget_attempts(email)
    return email


KNOWN = pytest.mark.parametrize("known", [with_password, without_password, unverified])


@KNOWN
def test_signing_up(known: Callable[[], str], hashes: list[str]) -> None:
    answers, work, sent = [], [], []
    for email in (known(), new_email()):
        client, hashes[:], mail.outbox = visitor(), [], []  # type: ignore[index]
        answer = sign_up(client, email, "another good password")
        work.append(len(hashes))
        sent.append([message.to for message in mail.outbox] == [[email]])
        pages = [client.get("/accounts/confirm-email/"), client.post("/accounts/confirm-email/", {"code": "0000-0000"})]
        pages.append(client.get("/accounts/signup/"))
        answers.append([seen(page, email) for page in (answer, *pages)])
    assert answers[0] == answers[1]
    assert work == [1, 1]
    assert sent == [True, True]


@KNOWN
def test_logging_in_with_a_wrong_password(known: Callable[[], str], hashes: list[str]) -> None:
    answers, work = [], []
    for email in (known(), new_email()):
        hashes[:], mail.outbox = [], []  # type: ignore[index]
        answers.append(seen(log_in(visitor(), email, "not the password"), email))
        work.append(len(hashes))
        assert mail.outbox == []
    assert answers[0] == answers[1]
    assert work == [1, 1]
    assert "not correct" in answers[0][2]


@KNOWN
def test_resetting_a_password(known: Callable[[], str]) -> None:
    answers = []
    for email in (known(), new_email()):
        client, mail.outbox = visitor(), []
        answer = client.post("/accounts/password/reset/", {"email": email})
        answers.append([seen(page, email) for page in (answer, client.get(answer.headers["location"]))])
        assert [message.to for message in mail.outbox] == [[email]]  # type: ignore[attr-defined]
    assert answers[0] == answers[1]


def test_whose_address_it_is_learns_what_happened() -> None:
    known, unknown = with_password(), new_email()
    mail.outbox = []
    sign_up(visitor(), known)
    assert "already" in mails_to(known)[-1].body
    visitor().post("/accounts/password/reset/", {"email": unknown})
    assert "no account" in mails_to(unknown)[-1].body
    visitor().post("/accounts/password/reset/", {"email": known})
    assert "/accounts/password/reset/key/" in mails_to(known)[-1].body


def test_too_many_attempts_are_refused_whether_anybody_has_the_address_or_not() -> None:
    answers = []
    for email in (with_password(), new_email()):
        answers.append([seen(log_in(visitor(), email, "not the password"), email) for _ in range(7)])
    assert answers[0] == answers[1]
    assert "Too many" in answers[0][-1][2]


def test_changing_to_an_address_that_somebody_has_looks_like_any_other_change() -> None:
    answers = []
    for email in (with_password(), new_email()):
        client, member = visitor(), new_member()
        log_in(client, member.user.email, PASSWORD)
        mail.outbox = []
        answer = client.post("/accounts/email/", {"email": email, "action_add": ""})
        page = client.get(answer.headers["location"])
        answers.append(
            [
                (status, location, body.replace(member.user.email, "ME"))
                for status, location, body in (seen(answer, email), seen(page, email))
            ]
        )
        assert [message.to for message in mail.outbox] == [[email]]  # type: ignore[attr-defined]
    assert answers[0] == answers[1]
