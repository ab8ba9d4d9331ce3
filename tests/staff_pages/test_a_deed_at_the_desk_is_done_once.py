"""Promise: at an account's desk staff grant credit exactly, once however often a form is sent, with a reason on record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client

from apps.accounts.models import Account
from apps.audit.models import Entry
from apps.billing.credits import balance
from apps.billing.models import LedgerTransaction
from tests.people import new_customer
from tests.staff_pages.roles import browser_of, member_of

pytestmark = pytest.mark.money


def desk_of(account: Account) -> str:
    return f"/admin/accounts/account/{account.pk}/desk/"


def grant_data(**changes: Any) -> dict[str, Any]:
    return {"deed": "grant", "token": uuid4(), "usd": "2.5", "kind": 20, "reason": "sorry for the outage", **changes}


def test_a_double_click_grants_once() -> None:
    account, user = new_customer().account, member_of("finance")
    data = grant_data()

    def send(client: Client) -> int:
        try:
            return client.post(desk_of(account), data).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, [browser_of(user) for _ in range(4)])) == {302}
    assert balance(account.pk).remaining == 2_500_000_000
    [entry] = Entry.objects.filter(account_id=account.pk)
    assert (entry.action, entry.reason, entry.after["usd"], entry.actor) == ("grant", "sorry for the outage", "2.5", user.email)
    assert LedgerTransaction.objects.get(account=account).note == "sorry for the outage"


def test_the_same_form_with_another_amount_is_refused() -> None:
    account, client = new_customer().account, browser_of(member_of("finance"))
    data = grant_data()
    client.post(desk_of(account), data)
    answer = client.post(desk_of(account), data | {"usd": "9"})
    assert answer.status_code == 422
    assert b"open the page anew" in answer.content
    assert balance(account.pk).remaining == 2_500_000_000


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("usd", "0"), ("usd", "-1"), ("usd", "x"), ("usd", "0.0000000001"), ("kind", "30"), ("reason", " "), ("expires_on", "2001-01-01"), ("token", "x")],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_happens(field: str, wrong: str) -> None:
    account, client = new_customer().account, browser_of(member_of("finance"))
    answer = client.post(desk_of(account), grant_data(**{field: wrong}))
    assert answer.status_code == 422
    assert balance(account.pk).remaining == 0
    assert not Entry.objects.filter(account_id=account.pk).exists()


def test_a_deed_that_there_is_not_is_refused() -> None:
    account = new_customer().account
    assert browser_of(member_of("superuser")).post(desk_of(account), {"deed": "close", "reason": "x"}).status_code == 403
