"""Reading pages as somebody who is logged in, without a browser."""

from __future__ import annotations

import re

from django.test import Client

from apps.accounts.models import User

SECRET = re.compile(r"akml-[0-9A-Za-z]{49}")
HTMX = {"HX-Request": "true"}


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def secret_in(text: str) -> str:
    """The full key on a page, which shows it in several places."""
    [secret] = set(SECRET.findall(text))
    return secret
