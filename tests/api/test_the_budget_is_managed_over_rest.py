"""Promise: an account's members and management keys set, read and remove its budget over REST; nobody sees or changes that of others."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.budgets.models import Budget, Delivery
from tests.api.managing import Caller, by_key
from tests.api.test_nobody_manages_the_keys_of_others import INSIDERS, OUTSIDERS
from tests.people import new_customer

BUDGET = "/api/v1/budget"
WHOLE = {"amount": "250.50", "thresholds": [80, 50, 80], "mail": False, "webhook_url": "http://127.0.0.1:9/hook?a=b"}


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.mark.parametrize("who", INSIDERS)
def test_insiders_manage_it(who: str, alice: Registered) -> None:
    call = INSIDERS[who](alice)
    assert (call("GET", BUDGET).status_code, call("DELETE", BUDGET).status_code) == (404, 404)
    made = call("PUT", BUDGET, WHOLE).json()
    assert made["webhook_secret"].startswith("whsec_")
    assert call("PUT", BUDGET, WHOLE).json()["webhook_secret"] is None
    read = call("GET", BUDGET).json()
    assert {name: read[name] for name in ("amount", "thresholds", "mail", "webhook_url", "webhook_secret", "spent", "time_zone")} == {
        "amount": "250.5", "thresholds": [50, 80], "mail": False, "webhook_url": WHOLE["webhook_url"], "webhook_secret": None, "spent": "0", "time_zone": "UTC",
    }  # fmt: skip
    assert call("POST", f"{BUDGET}/rotate-secret").json()["webhook_secret"] not in (made["webhook_secret"], None)
    test = call("POST", f"{BUDGET}/test")
    assert (test.status_code, test.json()["delivered"], test.json()["event"]) == (201, None, "webhook.test")
    assert [one["id"] for one in call("GET", f"{BUDGET}/deliveries").json()["data"]] == [test.json()["id"]]
    assert call("DELETE", BUDGET).json()["amount"] == "250.5"
    assert not Budget.objects.filter(pk=alice.account.pk).exists()
    assert not Delivery.objects.filter(account=alice.account).exists()


@pytest.mark.parametrize("who", OUTSIDERS)
def test_outsiders_have_their_own_alone(who: str, alice: Registered) -> None:
    mine = by_key(alice.account)
    mine("PUT", BUDGET, WHOLE)
    mine("POST", f"{BUDGET}/test")
    call = OUTSIDERS[who]()
    assert call("GET", BUDGET).status_code == 404
    assert call("GET", f"{BUDGET}/deliveries").json() == {"data": [], "next": None}
    for method, path in (("POST", "/rotate-secret"), ("POST", "/test"), ("DELETE", "")):
        assert call(method, f"{BUDGET}{path}").status_code == 404
    assert call("PUT", BUDGET, {"amount": "1"}).status_code == 200
    assert mine("GET", BUDGET).json()["amount"] == "250.5"
    assert Delivery.objects.filter(account=alice.account).count() == 1


def test_nobody_does_without_a_key_for_management(alice: Registered) -> None:
    _, key = create_key(alice.account, "inference")
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", WHOLE),
        ("DELETE", "", None),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
    ):
        assert Caller()(method, f"{BUDGET}{path}", body).status_code == 401
        assert Caller(key=key)(method, f"{BUDGET}{path}", body).status_code == 403


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "amount"),
        ({"amount": 5}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "5", "thresholds": []}, "thresholds"),
        ({"amount": "5", "thresholds": [0]}, "thresholds[0]"),
        ({"amount": "5", "mail": False}, "mail"),
        ({"amount": "5", "webhook_url": "gopher://x"}, "webhook_url"),
        ({"amount": "5", "currency": "EUR"}, "currency"),
    ],
)
def test_what_is_wrong_is_named(alice: Registered, body: dict[str, Any], param: str) -> None:
    answer = by_key(alice.account)("PUT", BUDGET, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_the_log_is_read_page_by_page_and_tests_are_bounded(alice: Registered) -> None:
    call = by_key(alice.account)
    assert call("POST", f"{BUDGET}/test").status_code == 404
    call("PUT", BUDGET, WHOLE)
    sent = [call("POST", f"{BUDGET}/test") for _ in range(6)]
    assert [one.status_code for one in sent] == [201] * 5 + [409]
    first = call("GET", f"{BUDGET}/deliveries?limit=3").json()
    second = call("GET", f"{BUDGET}/deliveries?limit=3&cursor={first['next']}").json()
    assert [one["id"] for one in first["data"] + second["data"]] == [one.json()["id"] for one in reversed(sent[:5])]
    assert second["next"] is None
    assert call("GET", f"{BUDGET}/deliveries?cursor=x").json()["error"]["param"] == "cursor"
