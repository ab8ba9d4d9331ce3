"""Visitors of the log-in pages, each with an address of their own, and what they find in their mail."""

from __future__ import annotations

import re
import secrets
from typing import Any

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client

from apps.accounts.actions import Registered, create_account_for
from tests.people import new_email

PASSWORD = "correct horse battery"
CODE = re.compile(r"\b\d{4}-\d{4}\b")
LINK = re.compile(r"https?://\S+")


def new_address() -> str:
    """An IP address that nobody else in the test run has, so that nobody else's attempts count for it."""
    return "10." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))


def visitor(address: str = "", **headers: str) -> Client:
    """A browser that has never been here."""
    return Client(REMOTE_ADDR=address or new_address(), **headers)  # type: ignore[arg-type]


def new_member(password: str = PASSWORD) -> Registered:
    """A user with a verified address who logs in with a password."""
    return create_account_for(new_email(), password)


def mails_to(email: str) -> list[EmailMultiAlternatives]:
    """Oldest first."""
    return [message for message in mail.outbox if message.to == [email]]  # type: ignore[misc]


def last_mail_to(email: str) -> EmailMultiAlternatives:
    return mails_to(email)[-1]


def code_in(message: Any) -> str:
    [code] = set(CODE.findall(message.body))
    return str(code)


def link_in(message: Any) -> str:
    """The path of the link that is not the site's own front page."""
    [link] = {link for link in LINK.findall(message.body) if link.rstrip("/").count("/") > 2}
    return "/" + str(link).split("/", 3)[3]


def sign_up(client: Client, email: str, password: str = PASSWORD) -> Any:
    return client.post("/accounts/signup/", {"email": email, "password1": password})


def log_in(client: Client, email: str, password: str = PASSWORD, **fields: str) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password, **fields})


def is_logged_in(client: Client) -> bool:
    """Asked of a page that sends visitors to the log-in page."""
    answer = client.get("/accounts/email/")
    return answer.status_code == 200
