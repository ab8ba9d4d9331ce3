"""Promise: a key is managed by the members of its account and by the account's management keys; for everybody else it is not there."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts.actions import Registered
from apps.accounts.models import Account, AccountStatus
from apps.api import authentication
from apps.api.authentication import KnownKeys
from apps.api_keys.actions import Limits, create_key, revoke_key
from apps.api_keys.minting import mint
from apps.api_keys.models import ApiKey, Scope
from apps.gateway.keyring import GUESSES
from tests.api.managing import INSIDERS, KEYS, OUTSIDERS, Caller, by_key, by_session
from tests.people import new_customer

OPERATIONS = [
    ("GET", "", None, 200),
    ("GET", "/usage", None, 200),
    ("PATCH", "", {"rpm": 1}, 200),
    ("POST", "/regenerate", None, 201),
    ("POST", "/revoke", None, 200),
    ("DELETE", "", None, 200),
]


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def row(alice: Registered) -> ApiKey:
    return create_key(alice.account, "alice's", Limits(rpm=60))[0]


@pytest.mark.parametrize("who", INSIDERS)
def test_insiders_manage_it(who: str, alice: Registered, row: ApiKey) -> None:
    call = INSIDERS[who](alice)
    assert row.pk in [key["id"] for key in call("GET", KEYS).json()["data"]]
    for method, path, body, status in OPERATIONS[:4]:
        assert call(method, f"{KEYS}/{row.pk}{path}", body).status_code == status


@pytest.mark.parametrize("who", OUTSIDERS)
def test_for_outsiders_it_is_not_there(who: str, row: ApiKey) -> None:
    call = OUTSIDERS[who]()
    missing = call("GET", f"{KEYS}/{row.pk + 10**9}").json()
    for method, path, body, _ in OPERATIONS:
        answer = call(method, f"{KEYS}/{row.pk}{path}", body)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == missing["error"]["code"] == "key_not_found"
    assert row.pk not in [key["id"] for key in call("GET", KEYS).json()["data"]]
    row.refresh_from_db()
    assert (row.revoked_at, row.rpm) == (None, 60)


def test_nobody_at_all_is_told_to_log_in(row: ApiKey) -> None:
    for method, path, body, _ in [*OPERATIONS, ("POST", "/..", {"name": "k"}, 0)]:
        answer = Caller()(method, f"{KEYS}/{row.pk}{path}", body)
        assert (answer.status_code, answer.json()["error"]["code"]) in ((401, "not_authenticated"), (404, "unknown_url"))
    assert Caller()("GET", KEYS).status_code == 401


def test_a_change_from_a_page_of_another_site_is_refused(alice: Registered, row: ApiKey) -> None:
    call = by_session(alice.user)
    call.headers = {}
    for method, path, body, _ in OPERATIONS:
        answer = call(method, f"{KEYS}/{row.pk}{path}", body)
        assert (answer.status_code, answer.json().get("error", {}).get("code")) == (
            (200, None) if method == "GET" else (403, "csrf_failed")
        )
    row.refresh_from_db()
    assert row.revoked_at is None


def test_a_key_for_inference_cannot_manage(alice: Registered, row: ApiKey) -> None:
    _, key = create_key(alice.account, "inference")
    for method, path, body, _ in OPERATIONS:
        answer = Caller(key=key)(method, f"{KEYS}/{row.pk}{path}", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_key_scope")
        assert "management" in answer.json()["message"]


def test_a_key_for_management_cannot_read_the_models(alice: Registered) -> None:
    """Nor call one: tests/gateway/test_keys_over_http.py."""
    _, key = create_key(alice.account, "manager", scope=Scope.MANAGEMENT)
    answer = Client().get("/v1/models", headers={"x-api-key": key})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_key_scope")
    assert "inference" in answer.json()["message"]


def test_a_management_key_that_is_not_in_force_cannot_manage(alice: Registered) -> None:
    row, revoked = create_key(alice.account, "k", scope=Scope.MANAGEMENT)
    revoke_key(row)
    _, expired = create_key(alice.account, "k", Limits(expires_at=row.created_at), Scope.MANAGEMENT)
    _, suspended = create_key((charlie := new_customer()).account, "k", scope=Scope.MANAGEMENT)
    Account.objects.filter(pk=charlie.account.pk).update(status=AccountStatus.SUSPENDED)
    refused = [Caller(key=key)("GET", KEYS) for key in (revoked, expired, suspended, mint(), "nonsense")]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in refused] == [
        (401, "invalid_api_key"),
        (401, "expired_api_key"),
        (403, "account_suspended"),
        (401, "invalid_api_key"),
        (401, "invalid_api_key"),
    ]


def test_a_key_decides_where_there_is_a_session_too(alice: Registered) -> None:
    """Else a page that is logged in would hide that a program's key is wrong."""
    call = by_session(alice.user)
    assert call("GET", KEYS, authorization=f"Bearer {mint()}").status_code == 401


def test_whoever_guesses_keys_is_throttled(alice: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "known_keys", KnownKeys())
    known = by_key(alice.account)
    assert known("GET", KEYS).status_code == 200
    got = [Caller(key=mint())("GET", KEYS) for _ in range(GUESSES + 5)]
    assert [answer.status_code for answer in got[:GUESSES]] == [401] * GUESSES
    assert got[-1].status_code == 429
    assert int(got[-1].headers["Retry-After"]) >= 1
    assert known("GET", KEYS).status_code == 200
    assert by_session(alice.user)("GET", KEYS).status_code == 200
