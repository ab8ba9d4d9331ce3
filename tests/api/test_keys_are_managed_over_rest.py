"""Promise: keys are listed, made, read, edited, regenerated and revoked over REST, by whoever is logged in and with a management key."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.actions import Registered
from apps.api_keys import minting
from apps.api_keys.actions import Limits, create_key
from apps.api_keys.models import ApiKey, Scope
from tests.api.managing import KEYS, WAYS, Caller, by_session
from tests.people import new_customer


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture(params=WAYS)
def call(request: pytest.FixtureRequest, alice: Registered) -> Caller:
    return WAYS[request.param](alice)


def test_the_life_of_a_key(call: Caller, alice: Registered) -> None:
    wanted = {
        "name": " production ",
        "rpm": 600,
        "tpm": 200_000,
        "max_concurrent": 20,
        "spend_limit_day": "2.50",
        "expires_at": "2099-06-30T02:00:00+02:00",
    }
    made = call("POST", KEYS, wanted)
    assert made.status_code == 201
    body = made.json()
    secret = body.pop("key")
    row = ApiKey.objects.get(digest=minting.digest(secret))
    assert body == {
        "id": row.pk,
        "name": "production",
        "last4": secret[-4:],
        "scope": "inference",
        "status": "active",
        "rpm": 600,
        "tpm": 200_000,
        "max_concurrent": 20,
        "spend_limit_day": "2.5",
        "spend_limit_month": None,
        "expires_at": "2099-06-30T00:00:00Z",
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "revoked_at": None,
        "last_used_at": None,
        "replaces": None,
        "requests": 0,
        "spent": "0",
        "spent_this_month": "0",
        "spent_today": "0",
    }
    one = f"{KEYS}/{row.pk}"
    assert call("GET", one).json() == body

    edited = call("PATCH", one, {"rpm": None, "tpm": 5, "expires_at": "2098-01-01"})
    assert edited.json() == {**body, "rpm": None, "tpm": 5, "expires_at": "2098-01-01T00:00:00Z"}

    again = call("POST", f"{one}/regenerate")
    assert again.status_code == 201
    successor = again.json()
    assert successor["replaces"] == row.pk
    assert (successor["name"], successor["tpm"], successor["expires_at"]) == ("production", 5, "2098-01-01T00:00:00Z")
    assert minting.well_formed(successor["key"])
    assert call("GET", one).json()["status"] == "revoked"

    gone = call("POST", f"{KEYS}/{successor['id']}/revoke")
    assert (gone.status_code, gone.json()["status"]) == (200, "revoked")
    assert call("DELETE", f"{KEYS}/{successor['id']}").json() == gone.json()  # repeating changes nothing
    for method, path, content in (("PATCH", f"{KEYS}/{successor['id']}", {"rpm": 1}), ("POST", f"{one}/regenerate", None)):
        refused = call(method, path, content)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "key_revoked")
    listed = call("GET", KEYS).json()["data"]
    assert [key["id"] for key in listed if key["name"] == "production"] == [successor["id"], row.pk]
    assert not any("key" in key for key in listed)


def test_a_key_made_with_a_name_alone_has_no_limits(call: Caller) -> None:
    body = call("POST", KEYS, {"name": "plain", "scope": "management"}).json()
    assert [body[field] for field in ("rpm", "tpm", "max_concurrent", "expires_at")] == [None] * 4
    assert body["scope"] == "management"
    assert Caller(key=body["key"])("GET", KEYS).status_code == 200


BAD: list[tuple[Any, str | None]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": 5}, "name"),
    ({"name": "k", "rpm": 0}, "rpm"),
    ({"name": "k", "rpm": "10"}, "rpm"),
    ({"name": "k", "rpm": 1.5}, "rpm"),
    ({"name": "k", "rpm": True}, "rpm"),
    ({"name": "k", "rpm": 1_000_001}, "rpm"),
    ({"name": "k", "tpm": 10**13}, "tpm"),
    ({"name": "k", "tpm": 10**30}, "tpm"),
    ({"name": "k", "max_concurrent": -1}, "max_concurrent"),
    ({"name": "k", "spend_limit_day": "0"}, "spend_limit_day"),
    ({"name": "k", "spend_limit_month": "1e-10"}, "spend_limit_month"),
    ({"name": "k", "expires_at": "soon"}, "expires_at"),
    ({"name": "k", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
    ({"name": "k", "expires_at": 1_900_000_000}, "expires_at"),
    ({"name": "k", "scope": "admin"}, "scope"),
    ({"name": "k", "id": 1}, "id"),
    ([], None),
    ("{", None),
    ("", None),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=str)
def test_what_is_wrong_is_named_and_makes_no_key(alice: Registered, body: Any, field: str | None) -> None:
    call = by_session(alice.user)
    refused = call("POST", KEYS, body)
    assert refused.status_code == 400, refused.content
    error = refused.json()["error"]
    assert error["param"] == field
    assert error["type"] == "invalid_request_error"
    assert refused.json()["message"] == error["message"]
    if field:
        assert field in error["message"]
    assert not ApiKey.objects.filter(account=alice.account).exists()


@pytest.mark.parametrize(
    "change", [{"name": None}, {"name": ""}, {"rpm": 0}, {"expires_at": "x"}, {"scope": "management"}, {"last4": "abcd"}]
)
def test_an_edit_that_is_wrong_changes_nothing(alice: Registered, change: dict[str, Any]) -> None:
    row, _ = create_key(alice.account, "k", Limits(rpm=7))
    refused = by_session(alice.user)("PATCH", f"{KEYS}/{row.pk}", {"tpm": 9, **change})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, next(iter(change)))
    row.refresh_from_db()
    assert (row.name, row.rpm, row.tpm, row.scope) == ("k", 7, None, Scope.INFERENCE)


def test_a_body_that_is_no_json_is_refused(alice: Registered) -> None:
    call = by_session(alice.user)
    form = call.client.post(KEYS, {"name": "k"}, headers=call.headers)
    assert (form.status_code, form.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert call("POST", KEYS, '{"name": "' + "x" * 3_000_000 + '"}').status_code == 413


def test_a_list_is_read_page_by_page(alice: Registered) -> None:
    made = [create_key(alice.account, f"key {number}", scope=Scope(1 + number % 2))[0].pk for number in range(7)]
    call = by_session(alice.user)
    seen, cursor = [], ""
    while cursor is not None:
        page = call("GET", f"{KEYS}?limit=3{f'&cursor={cursor}' if cursor else ''}").json()
        assert set(page) == {"data", "next"}
        seen.append([key["id"] for key in page["data"]])
        cursor = page["next"]
    assert [len(page) for page in seen] == [3, 3, 1]
    assert [key for page in seen for key in page] == made[::-1]  # management keys among them
    assert by_session(new_customer().user)("GET", KEYS).json() == {"data": [], "next": None}


def test_a_list_can_be_narrowed_to_a_state(alice: Registered) -> None:
    create_key(alice.account, "active")
    create_key(alice.account, "expired", Limits(expires_at=ApiKey.objects.latest("pk").created_at))
    row, _ = create_key(alice.account, "revoked")
    call = by_session(alice.user)
    call("DELETE", f"{KEYS}/{row.pk}")
    for state in ("active", "expired", "revoked"):
        assert [(key["name"], key["status"]) for key in call("GET", f"{KEYS}?status={state}").json()["data"]] == [(state, state)]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=", "limit=1.5", "cursor=x", f"cursor={9**30}", "cursor=-1", "status=new"]
)
def test_a_parameter_that_is_wrong_is_named(alice: Registered, query: str) -> None:
    refused = by_session(alice.user)("GET", f"{KEYS}?{query}")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, query.partition("=")[0])


def test_every_address_answers_in_both_spellings_and_nothing_is_cached(alice: Registered) -> None:
    row, _ = create_key(alice.account, "k")
    call = by_session(alice.user)
    for path in (KEYS, f"{KEYS}/{row.pk}", f"{KEYS}/{row.pk}/usage"):
        without, with_slash = call("GET", path), call("GET", f"{path}/")
        assert without.status_code == with_slash.status_code == 200
        assert without.content == with_slash.content
        assert without.headers["Cache-Control"] == "no-store"
    for path in (f"{KEYS}/{row.pk}/regenerate/", f"{KEYS}/"):
        assert call("POST", path, {"name": "k"}).status_code == 201


def test_what_is_not_there_is_404_in_the_same_shape(alice: Registered) -> None:
    call = by_session(alice.user)
    for path in (
        f"{KEYS}/999999999999",
        f"{KEYS}/{2**63}",
        f"{KEYS}/{10**40}",
        f"{KEYS}/0/usage",
        f"{KEYS}/x",
        f"{KEYS}/-1",
        "/api/v1",
        "/api/v1/nothing",
    ):
        missing = call("GET", path)
        assert missing.status_code == 404, path
        assert missing.json()["error"]["type"] == "invalid_request_error"
        assert "Inference-Id" not in missing.headers
    assert call("PUT", KEYS, {}).status_code == 405
