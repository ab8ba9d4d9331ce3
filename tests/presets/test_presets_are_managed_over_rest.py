"""Promise: presets are listed, made, read, edited, duplicated, restored and deleted over REST, by whoever is logged in and with a
management key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from apps.accounts.actions import Registered
from apps.catalog.models import Model
from apps.presets import actions
from apps.presets.models import Preset
from tests.api.managing import WAYS, Caller, by_session
from tests.people import new_customer
from tests.presets.samples import PRESETS, new_model, new_preset


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture(params=WAYS)
def call(request: pytest.FixtureRequest, alice: Registered) -> Caller:
    return WAYS[request.param](alice)


@pytest.fixture
def session(alice: Registered) -> Caller:
    return by_session(alice.user)


def test_the_life_of_a_preset(call: Caller, alice: Registered) -> None:
    model, other = new_model(), new_model()
    parameters = {"temperature": 0.2, "max_tokens": 300, "response_format": {"type": "json_object"}, "top_k": 40}
    wanted = {"name": " Customer support ", "model": model, "parameters": parameters, "system_prompt": "Be kind.\nBe brief."}
    made = call("POST", PRESETS, wanted | {"description": "For tickets"})
    assert made.status_code == 201
    body = made.json()
    row = Preset.objects.get(account=alice.account, slug="customer-support")
    assert body == {
        "slug": "customer-support",
        "name": "Customer support",
        "description": "For tickets",
        "model": model,
        "parameters": parameters,
        "system_prompt": "Be kind.\nBe brief.",
        "is_default": False,
        "version": 1,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": row.updated_at.isoformat().replace("+00:00", "Z"),
    }
    one = f"{PRESETS}/customer-support"
    assert call("GET", one).json() == body

    named = call("PATCH", one, {"name": "Support", "slug": "support", "is_default": True}).json()
    one = f"{PRESETS}/support"
    assert (named["name"], named["slug"], named["is_default"], named["version"]) == ("Support", "support", True, 1)
    assert call("GET", f"{PRESETS}/customer-support").status_code == 404

    edited = call("PATCH", one, {"model": other, "parameters": {"seed": 7}}).json()
    assert (edited["model"], edited["parameters"], edited["system_prompt"], edited["version"]) == (
        other,
        {"seed": 7},
        body["system_prompt"],
        2,
    )
    assert call("PATCH", one, {"parameters": {"seed": 7}}).json()["version"] == 2  # nothing new
    [before] = call("GET", f"{one}/versions").json()["data"]
    assert {name: before[name] for name in ("version", "model", "parameters", "system_prompt")} == {
        name: body[name] for name in ("version", "model", "parameters", "system_prompt")
    }
    back = call("POST", f"{one}/versions/1/restore").json()
    assert (back["model"], back["parameters"], back["version"], back["name"]) == (model, parameters, 3, "Support")
    assert [kept["version"] for kept in call("GET", f"{one}/versions").json()["data"]] == [2, 1]
    assert call("POST", f"{one}/versions/9/restore").status_code == 404

    copy = call("POST", f"{one}/duplicate")
    assert copy.status_code == 201
    assert copy.json() | {"created_at": "", "updated_at": ""} == back | {
        "slug": "support-copy", "name": "Support (copy)", "is_default": False, "version": 1, "created_at": "", "updated_at": "",
    }  # fmt: skip
    assert [preset["slug"] for preset in call("GET", PRESETS).json()["data"]] == ["support-copy", "support"]
    assert call("DELETE", one).json() == back
    assert call("GET", one).status_code == call("DELETE", one).status_code == 404
    assert call("GET", f"{one}/versions").json()["error"]["code"] == "preset_not_found"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"slug": "Big"}, "slug"),
    ({"slug": "a b"}, "slug"),
    ({"slug": "a--b"}, "slug"),
    ({"slug": "new"}, "slug"),
    ({"slug": "x" * 65}, "slug"),
    ({"slug": ""}, "slug"),
    ({"description": "x" * 501}, "description"),
    ({"description": "a\x00"}, "description"),
    ({"model": ""}, "model"),
    ({"model": "no/such-model"}, "model"),
    ({"model": "a\x00b"}, "model"),
    ({"system_prompt": "a\x00b"}, "system_prompt"),
    ({"system_prompt": "é" * 16_385}, "system_prompt"),
    ({"parameters": []}, "parameters"),
    ({"parameters": None}, "parameters"),
    ({"parameters": {"temperature": 3}}, "parameters.temperature"),
    ({"parameters": {"max_tokens": 0}}, "parameters.max_tokens"),
    ({"parameters": {"top_logprobs": 2}}, "parameters.top_logprobs"),
    ({"parameters": {"tools": [{"type": "function", "function": {"name": "a b"}}]}}, "parameters.tools[0].function.name"),
    ({"parameters": {"Temperature": 1}}, "parameters.Temperature"),
    ({"parameters": {"messages": []}}, "parameters.messages"),
    ({"parameters": {"stream": True}}, "parameters.stream"),
    ({"parameters": {"preset": "another"}}, "parameters.preset"),
    ({"parameters": {"x": "y" * 32_768}}, "parameters"),
    ({"is_default": "yes"}, "is_default"),
    ({"versions": 5}, "versions"),
]


@pytest.mark.parametrize(("wrong", "param"), BAD)
def test_bad_input_is_refused_by_name_when_it_is_made_and_when_it_is_edited(
    wrong: dict[str, Any], param: str, session: Caller, alice: Registered
) -> None:
    row = new_preset(alice.account)
    for method, path, body in (("POST", PRESETS, {"name": "P", "model": row.model} | wrong), ("PATCH", f"{PRESETS}/{row.slug}", wrong)):
        answer = session(method, path, body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.content
    assert Preset.objects.filter(account=alice.account).count() == 1


def test_bytes_that_no_text_has_are_refused(session: Caller) -> None:
    for field, text in (("system_prompt", r'"\ud800"'), ("parameters", r'{"stop": "\ud800"}'), ("parameters", r'{"x": {"y": "\ud800"}}')):
        answer = session("POST", PRESETS, f'{{"name": "P", "model": "any", "{field}": {text}}}')
        assert answer.status_code == 400, answer.content


def test_parameters_keep_the_order_of_their_keys(session: Caller) -> None:
    schema = '{"type":"object","properties":{"zeta":{"type":"string"},"alpha":{"type":"number"}}}'
    format_ = f'{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}'
    made = session(
        "POST", PRESETS, f'{{"name": "P", "model": "{new_model()}", "parameters": {{"response_format": {format_}, "seed": null}}}}'
    )
    assert f'"parameters":{{"response_format":{format_}}}' in made.content.decode()


def test_slugs_are_made_of_names_and_never_twice(session: Caller) -> None:
    model = new_model()
    slugs = [
        session("POST", PRESETS, {"name": name, "model": model}).json()["slug"]
        for name in ("Ünïcode & co", "unicode co", "日本", "New", "x_" * 50)
    ]
    assert slugs == ["unicode-co", "unicode-co-2", "preset", "new-2", slugs[4]]
    assert len(slugs[4]) <= 64
    for method, path in (("POST", PRESETS), ("PATCH", f"{PRESETS}/preset")):
        taken = session(method, path, {"name": "P", "model": model, "slug": "unicode-co"})
        assert (taken.status_code, taken.json()["error"]["code"], taken.json()["error"]["param"]) == (409, "slug_taken", "slug")


def test_one_preset_is_the_default(session: Caller, alice: Registered) -> None:
    first, second = new_preset(alice.account, is_default=True), new_preset(alice.account, "Other")
    assert session("PATCH", f"{PRESETS}/{second.slug}", {"is_default": True}).json()["is_default"]
    first.refresh_from_db()
    assert not first.is_default
    assert not session("PATCH", f"{PRESETS}/{second.slug}", {"is_default": False}).json()["is_default"]


def test_changes_at_the_same_time_leave_one_default_and_no_lost_version(alice: Registered) -> None:
    rows = [new_preset(alice.account, f"P{number}") for number in range(4)]

    def change(number: int) -> None:
        try:
            actions.edit_preset(rows[number % 4], {"is_default": True, "system_prompt": str(number)})
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(40)))
    found = Preset.objects.filter(account=alice.account)
    assert found.filter(is_default=True).count() == 1
    assert [(row.version, row.versions.count()) for row in found] == [(11, 10)] * 4


def test_versions_and_presets_are_bounded(session: Caller, alice: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MOST_PRESETS", 2)
    monkeypatch.setattr(actions, "VERSIONS_KEPT", 3)
    row = new_preset(alice.account)
    for number in range(6):
        session("PATCH", f"{PRESETS}/{row.slug}", {"system_prompt": str(number)})
    assert [kept["version"] for kept in session("GET", f"{PRESETS}/{row.slug}/versions").json()["data"]] == [6, 5, 4]
    assert session("POST", f"{PRESETS}/{row.slug}/duplicate").status_code == 201
    full = session("POST", f"{PRESETS}/{row.slug}/duplicate")
    assert (full.status_code, full.json()["error"]["code"]) == (409, "too_many_presets")


def test_a_preset_whose_model_is_gone_can_still_be_edited(session: Caller, alice: Registered) -> None:
    row = new_preset(alice.account)
    Model.objects.filter(public_id=row.model).update(is_active=False)
    assert session("PATCH", f"{PRESETS}/{row.slug}", {"system_prompt": "x", "model": row.model}).status_code == 200
    refused = session("POST", f"{PRESETS}/{row.slug}/duplicate")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")
