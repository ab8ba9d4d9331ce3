"""Promise: a preset is there for the members of its account and the account's management keys; for everybody else it is not."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.presets.models import Preset
from tests.api.managing import INSIDERS, OUTSIDERS, Caller, by_session
from tests.people import new_customer
from tests.presets.samples import PRESETS, new_preset

OPERATIONS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/versions", None),
    ("PATCH", "", {"system_prompt": "Changed."}),
    ("POST", "/versions/1/restore", None),
    ("POST", "/duplicate", None),
    ("DELETE", "", None),
]


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def row(alice: Registered) -> Preset:
    return new_preset(alice.account, system_prompt="Secret.")


@pytest.mark.parametrize("who", INSIDERS)
def test_insiders_manage_it(who: str, alice: Registered, row: Preset) -> None:
    call = INSIDERS[who](alice)
    assert [preset["slug"] for preset in call("GET", PRESETS).json()["data"]] == [row.slug]
    for method, path, body in OPERATIONS:
        assert call(method, f"{PRESETS}/{row.slug}{path}", body).status_code in (200, 201)


@pytest.mark.parametrize("who", OUTSIDERS)
def test_for_outsiders_it_is_not_there(who: str, row: Preset) -> None:
    call = OUTSIDERS[who]()
    for method, path, body in OPERATIONS:
        answer, missing = call(method, f"{PRESETS}/{row.slug}{path}", body), call(method, f"{PRESETS}/no-such-preset{path}", body)
        assert answer.status_code == 404
        assert answer.content.replace(row.slug.encode(), b"no-such-preset") == missing.content
    assert call("GET", PRESETS).json() == {"data": [], "next": None}
    before = row.updated_at
    row.refresh_from_db()
    assert (row.system_prompt, row.updated_at) == ("Secret.", before)


def test_two_accounts_may_use_one_slug(row: Preset) -> None:
    charlie = new_customer()
    call = by_session(charlie.user)
    made = call("POST", PRESETS, {"name": row.name, "slug": row.slug, "model": row.model})
    assert made.status_code == 201
    assert call("DELETE", f"{PRESETS}/{row.slug}").status_code == 200
    assert Preset.objects.filter(pk=row.pk).exists()


def test_nobody_at_all_and_keys_for_inference_are_refused(alice: Registered, row: Preset) -> None:
    inference = Caller(key=create_key(alice.account, "inference")[1])
    for method, path, body in OPERATIONS:
        address = f"{PRESETS}/{row.slug}{path}"
        assert Caller()(method, address, body).json()["error"]["code"] == "not_authenticated"
        assert inference(method, address, body).json()["error"]["code"] == "wrong_key_scope"


def test_a_change_from_a_page_of_another_site_is_refused(alice: Registered, row: Preset) -> None:
    call = by_session(alice.user)
    call.headers = {}
    for method, path, body in OPERATIONS[2:]:
        answer = call(method, f"{PRESETS}/{row.slug}{path}", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf_failed")
