"""Calling the management API: as somebody who is logged in, or with a management key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.test import Client

from apps.accounts.actions import Registered
from apps.accounts.models import Account, Membership, Role, User
from apps.api_keys.actions import create_key
from apps.api_keys.models import Scope
from tests.people import new_customer

KEYS = "/api/v1/keys"


class Caller:
    """`session` are the cookies of a browser, in which CSRF is checked; `key` is a management key."""

    def __init__(self, key: str | None = None, user: User | None = None) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.headers = {"authorization": f"Bearer {key}"} if key else {}
        if user is not None:
            self.client.force_login(user)
            self.client.cookies["csrftoken"] = "t" * 32
            self.headers["x-csrftoken"] = "t" * 32

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """`body` is JSON as text, or what becomes JSON."""
        if body is None:
            return self.client.generic(method, path, headers=self.headers | headers)  # type: ignore[return-value]
        text = body if isinstance(body, str) else json.dumps(body)
        return self.client.generic(method, path, text, "application/json", headers=self.headers | headers)  # type: ignore[return-value]


def by_key(account: Account) -> Caller:
    return Caller(key=create_key(account, "manager", scope=Scope.MANAGEMENT)[1])


def by_session(user: User) -> Caller:
    return Caller(user=user)


def teammate_of(customer: Registered) -> User:
    """Another user who is a member of the customer's account, and of no other."""
    user = new_customer().user
    Membership.objects.filter(user=user).delete()
    Membership.objects.create(account=customer.account, user=user, role=Role.MEMBER)
    return user


# Who may manage what is alice's, who may not, and the ways in which one calls; by name.
INSIDERS: dict[str, Callable[[Registered], Caller]] = {
    "alice": lambda alice: by_session(alice.user),
    "her teammate bob": lambda alice: by_session(teammate_of(alice)),
    "her account's management key": lambda alice: by_key(alice.account),
}
OUTSIDERS: dict[str, Callable[[], Caller]] = {
    "charlie": lambda: by_session(new_customer().user),
    "charlie's management key": lambda: by_key(new_customer().account),
}
WAYS: dict[str, Callable[[Registered], Caller]] = {
    "logged in": lambda who: by_session(who.user),
    "with a management key": lambda who: by_key(who.account),
}
