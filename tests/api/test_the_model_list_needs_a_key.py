"""Who may not call a model may not list them, and is told so in the very words that inference uses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Account, AccountStatus
from apps.api_keys.minting import mint
from apps.api_keys.models import ApiKey, Scope
from tests.api.doors import CHAT, Doors, chat
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer


def change_key(**changes: object) -> Callable[[Customer], object]:
    return lambda customer: ApiKey.objects.filter(pk=customer.key_id).update(**changes)


def suspend(customer: Customer) -> object:
    return Account.objects.filter(pk=customer.account_id).update(status=AccountStatus.SUSPENDED)


def nothing(customer: Customer) -> None:
    """The key is what is wrong."""


OUTSIDERS: dict[str, tuple[str | None, Callable[[Customer], object], int, str]] = {
    "no key": (None, nothing, 401, "missing_api_key"),
    "nothing after Bearer": ("Bearer ", nothing, 401, "missing_api_key"),
    "another scheme": ("Basic YTpi", nothing, 401, "missing_api_key"),
    "a key of another kind": ("Bearer sk-123", nothing, 401, "invalid_api_key"),
    "a key that does not exist": (f"Bearer {mint()}", nothing, 401, "invalid_api_key"),
    "a null character": ("Bearer akml-\x00", nothing, 401, "invalid_api_key"),
    "a revoked key": ("Bearer {key}", change_key(revoked_at=timezone.now()), 401, "invalid_api_key"),
    "an expired key": ("Bearer {key}", change_key(expires_at=timezone.now() - timedelta(seconds=1)), 401, "expired_api_key"),
    "a management key": ("Bearer {key}", change_key(scope=Scope.MANAGEMENT), 403, "wrong_key_scope"),
    "a suspended account": ("Bearer {key}", suspend, 403, "account_suspended"),
}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/tests/some"])
@pytest.mark.parametrize("who", OUTSIDERS)
def test_outsiders_are_refused(who: str, path: str, customer: Customer) -> None:
    authorization, prepare, status, code = OUTSIDERS[who]
    prepare(customer)
    response = Client().get(path, headers={"authorization": authorization.format(key=customer.key)} if authorization else {})
    assert response.status_code == status
    assert response.json()["error"]["code"] == code


@pytest.mark.parametrize(
    "who", [who for who in OUTSIDERS if who not in ("a null character", "nothing after Bearer")]
)  # httpx sends neither
def test_the_words_are_those_of_inference(who: str, doors: Doors, customer: Customer, backend: FakeBackend) -> None:
    authorization, prepare, status, _ = OUTSIDERS[who]
    prepare(customer)
    headers = {"authorization": authorization.format(key=customer.key)} if authorization else {}
    body = chat(offer(doors.fast, backend.base_url).name)
    called, asked = httpx.post(doors.fast.url + CHAT, json=body, headers=headers), httpx.get(doors.fast.url + "/v1/models", headers=headers)
    assert (asked.status_code, asked.content) == (called.status_code, called.content)
    assert asked.status_code == status


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
def test_either_header_will_do(name: str, customer: Customer) -> None:
    value = f"Bearer {customer.key}" if name == "authorization" else customer.key
    assert Client().get("/v1/models", headers={name: value}).status_code == 200


def test_a_key_that_expires_later_is_in_force(customer: Customer) -> None:
    change_key(expires_at=timezone.now() + timedelta(minutes=1))(customer)
    assert Client().get("/v1/models", headers={"x-api-key": customer.key}).status_code == 200
