"""Promise: an account's members and management keys read its balance and transactions over REST, exactly; nobody reads those of others."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.billing.credits import grant_credit, set_balance
from apps.billing.models import PoolKind
from tests.api.managing import Caller, by_key, by_session
from tests.api.test_nobody_manages_the_keys_of_others import INSIDERS, OUTSIDERS
from tests.people import new_customer

CREDITS, TRANSACTIONS = "/api/v1/credits", "/api/v1/transactions"


@pytest.fixture
def alice() -> Registered:
    customer = new_customer()
    grant_credit(customer.account.pk, 12_500_000_001, PoolKind.PURCHASED, f"p:{customer.account.pk}", note="first")
    grant_credit(customer.account.pk, 5 * 10**9, PoolKind.TRIAL, f"t:{customer.account.pk}", expires_at=timezone.now() + timedelta(days=3))
    set_balance(customer.account.pk, 15 * 10**9)
    return customer


@pytest.mark.parametrize("who", INSIDERS)
def test_insiders_read_it(who: str, alice: Registered) -> None:
    call = INSIDERS[who](alice)
    credit = call("GET", CREDITS).json()
    assert (credit["balance"], credit["held"], credit["available"], credit["debt"]) == ("15", "0", "15", "0")
    assert [(pool["kind"], pool["remaining"], bool(pool["expires_at"])) for pool in credit["pools"]] == [
        ("trial", "2.499999999", True),
        ("purchased", "12.500000001", False),
    ]
    lines = call("GET", TRANSACTIONS).json()
    assert [(line["kind"], line["amount"], line["balance"]) for line in lines["data"]] == [
        ("adjustment", "-2.500000001", "15"),
        ("grant", "5", "17.500000001"),
        ("grant", "12.500000001", "12.500000001"),
    ]
    assert (lines["next"], lines["data"][2]["note"]) == (None, "first")


@pytest.mark.parametrize("who", OUTSIDERS)
def test_outsiders_read_their_own_alone(who: str, alice: Registered) -> None:
    call = OUTSIDERS[who]()
    assert call("GET", CREDITS).json()["balance"] == "0"
    mine = by_session(alice.user)("GET", f"{TRANSACTIONS}?limit=1").json()
    assert call("GET", f"{TRANSACTIONS}?cursor={mine['next']}").json()["data"] == []


def test_nobody_reads_it_without_a_key_for_management(alice: Registered) -> None:
    _, key = create_key(alice.account, "inference")
    for path in (CREDITS, TRANSACTIONS):
        assert Caller()("GET", path).status_code == 401
        assert Caller(key=key)("GET", path).status_code == 403


def test_pages_and_filters(alice: Registered) -> None:
    call = by_key(alice.account)
    amounts: list[Decimal] = []
    cursor = ""
    while cursor is not None:
        page = call("GET", f"{TRANSACTIONS}?limit=1" + (f"&cursor={cursor}" if cursor else "")).json()
        amounts += [Decimal(line["amount"]) for line in page["data"]]
        cursor = page["next"]
    assert (len(amounts), sum(amounts)) == (3, 15)
    only = call("GET", f"{TRANSACTIONS}?kind=adjustment").json()["data"]
    assert [(line["kind"], line["balance"]) for line in only] == [("adjustment", None)]
    assert call("GET", f"{TRANSACTIONS}?start=2999-01-01").json()["data"] == []


@pytest.mark.parametrize(("query", "param"), [("limit=0", "limit"), ("cursor=x", "cursor"), ("kind=gift", "kind"), ("start=yesterday", "start"), ("end=9", "end")])  # fmt: skip
def test_what_is_wrong_is_named(alice: Registered, query: str, param: str) -> None:
    answer = by_key(alice.account)("GET", f"{TRANSACTIONS}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
