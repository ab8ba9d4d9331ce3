"""Promise: a request that names a preset of its account runs with what the preset says at that moment, and is charged for it; another
account's preset is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import Account
from apps.api_keys.actions import revoke_key
from apps.api_keys.models import ApiKey
from apps.presets import actions
from apps.presets.models import Preset
from tests.fakes import FakeBackend
from tests.gateway.calls import Answer, http, offer, post
from tests.gateway.customers import Customer, TestModel, new_customer
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for
from tests.presets.samples import new_preset

USER = {"role": "user", "content": "Hello"}


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    return offer(gateway, backend.base_url)


@pytest.fixture
def preset(customer: Customer, model: TestModel) -> Preset:
    account = Account.objects.get(pk=customer.account_id)
    return new_preset(account, model=model.name, parameters='{"temperature":0.25,"max_tokens":40}', system_prompt="Be brief.")


def chat(gateway: GatewayProcess, who: Customer, **fields: Any) -> Answer:
    return post(gateway, who.key, json.dumps({"messages": [USER], **fields}).encode())


def anthropic(gateway: GatewayProcess, who: Customer, path: str = "messages", **fields: Any) -> Any:
    return http.post(
        f"http://127.0.0.1:{gateway.port}/anthropic/v1/{path}", json={"messages": [USER], **fields}, headers={"x-api-key": who.key}
    )


def test_both_dialects_and_a_text_run_with_it(gateway: GatewayProcess, customer: Customer, preset: Preset, backend: FakeBackend) -> None:
    assert chat(gateway, customer, preset=preset.slug).status == 200
    sent = backend.last.json
    assert (sent["temperature"], sent["max_tokens"], sent["messages"]) == (0.25, 40, [{"role": "system", "content": "Be brief."}, USER])
    assert "preset" not in sent
    assert chat(gateway, customer, preset=preset.slug, temperature=1, stream=True).finished
    assert backend.last.json["temperature"] == 1
    said = anthropic(gateway, customer, preset=preset.slug)
    assert (said.status_code, said.json()["model"]) == (200, preset.model)
    assert {name: backend.last.json[name] for name in ("temperature", "max_tokens", "messages")} == {
        name: sent[name] for name in ("temperature", "max_tokens", "messages")
    }
    counted = [
        anthropic(gateway, customer, "messages/count_tokens", **fields) for fields in ({"preset": preset.slug}, {"model": preset.model})
    ]
    with_it, without = (answer.json()["input_tokens"] for answer in counted)
    assert with_it > without
    text = http.post(
        f"{gateway.base_url}/completions", json={"prompt": "x", "preset": preset.slug}, headers={"authorization": f"Bearer {customer.key}"}
    )
    assert text.status_code == 200
    assert (backend.last.json["temperature"], backend.last.json["max_tokens"]) == (0.25, 40)
    wait_for(lambda: len(customer.inferences) == 4, 10, "four rows of the log")
    assert all(row.charged > 0 for row in customer.inferences)


def test_a_change_counts_at_once_and_what_is_deleted_is_gone(
    gateway: GatewayProcess, customer: Customer, preset: Preset, backend: FakeBackend
) -> None:
    def temperature(slug: str) -> Any:
        answer = chat(gateway, customer, preset=slug)
        return backend.last.json["temperature"] if answer.status == 200 else answer.error["code"]

    assert temperature(preset.slug) == 0.25
    actions.edit_preset(preset, {"parameters": '{"temperature":0.75}'})
    wait_for(lambda: temperature(preset.slug) == 0.75, 5, "the change")
    assert temperature("renamed") == "preset_not_found"  # and that there is none is forgotten too
    actions.edit_preset(preset, {"slug": "renamed"})
    wait_for(lambda: temperature("renamed") == 0.75, 5, "the new name")
    wait_for(lambda: temperature(preset.slug) == "preset_not_found", 5, "the old name's end")
    actions.delete_preset(preset)
    wait_for(lambda: temperature("renamed") == "preset_not_found", 5, "the preset's end")


def test_an_unknown_preset_and_anothers_are_refused_alike(gateway: GatewayProcess, customer: Customer, preset: Preset) -> None:
    stranger = new_customer("10")
    refused = chat(gateway, stranger, preset=preset.slug)
    unknown = chat(gateway, stranger, preset="no-such")
    assert refused.status == unknown.status == 404
    assert refused.error == {**unknown.error, "message": unknown.error["message"].replace("no-such", preset.slug)}
    for slug in ("a\0b", "\U0001f600", "A b"):
        assert chat(gateway, stranger, preset=slug).error["code"] == "preset_not_found"
    assert (refused.error["code"], refused.error["param"]) == ("preset_not_found", "preset")
    other = anthropic(gateway, stranger, preset=preset.slug)
    assert (other.status_code, other.json()["error"]["type"]) == (404, "not_found_error")
    assert preset.slug in other.json()["error"]["message"]
    assert chat(gateway, customer, preset=preset.slug).status == 200
    assert stranger.inferences == []


def test_a_key_that_is_not_in_force_learns_nothing_of_presets(gateway: GatewayProcess, customer: Customer, preset: Preset) -> None:
    assert chat(gateway, customer, preset="no-such").status == 404
    revoke_key(ApiKey.objects.get(pk=customer.key_id))
    assert [chat(gateway, customer, preset=slug).status for slug in ("no-such", preset.slug)] == [401, 401]


def test_what_is_the_presets_fault_says_so(gateway: GatewayProcess, customer: Customer, preset: Preset) -> None:
    Preset.objects.filter(pk=preset.pk).update(
        model="gone/model", parameters='{"tool_choice":"required"}'
    )  # as an older version may have left it
    for fields, param, of_preset in (
        ({}, "tool_choice", True),
        ({"tools": []}, "model", True),
        ({"tools": [], "model": "no/such"}, "model", False),
        ({"tools": 5}, "tools", False),
    ):
        error = chat(gateway, customer, preset=preset.slug, **fields).error
        assert error["param"] == param
        assert (f"It is the preset {preset.slug!r} that says so." in error["message"]) is of_preset, error


def test_a_change_counts_after_the_listening_connection_was_lost(
    gateway: GatewayProcess, customer: Customer, preset: Preset, backend: FakeBackend
) -> None:
    def temperature() -> Any:
        assert chat(gateway, customer, preset=preset.slug).status == 200
        return backend.last.json["temperature"]

    def listeners() -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'akashml preset changes' AND query ILIKE 'listen%' AND datname = current_database()"
            )
            return [pid for [pid] in cursor.fetchall()]

    assert temperature() == 0.25
    wait_for(listeners, 10, "a process that listens")
    before = listeners()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) pid", [before])
    actions.edit_preset(preset, {"parameters": '{"temperature":0.5}'})
    wait_for(lambda: temperature() == 0.5, 5, "the change")
    wait_for(lambda: set(listeners()) - set(before), 10, "a new connection")
    assert temperature() == 0.5
    actions.edit_preset(preset, {"parameters": '{"temperature":1}'})
    wait_for(lambda: temperature() == 1, 5, "the next change")
