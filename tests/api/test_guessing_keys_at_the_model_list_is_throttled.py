"""Wrong keys cost at the list of models what they cost at inference: an address has so many guesses; keys that are known go on."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.api import authentication
from apps.api.authentication import KnownKeys
from apps.api_keys.minting import mint
from apps.gateway.keyring import GUESSES
from tests.gateway.customers import Customer, new_customer


def status(key: str, address: str = "192.0.2.1") -> int:
    return Client(REMOTE_ADDR=address).get("/v1/models", headers={"x-api-key": key}).status_code


@pytest.fixture(autouse=True)
def nobody_has_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "known_keys", KnownKeys())


def test_an_address_has_so_many_guesses(customer: Customer) -> None:
    assert status(customer.key) == 200
    got = [status(mint() if number % 2 else "nonsense") for number in range(GUESSES + 20)]
    assert got[:GUESSES] == [401] * GUESSES
    assert got[-1] == 429
    assert status(customer.key) == 200  # it was seen before: no guess
    assert status(new_customer().key, "192.0.2.2") == 200


def test_a_refusal_says_when_to_come_again(customer: Customer) -> None:
    for _ in range(GUESSES):
        authentication.known_keys.wrong("192.0.2.3")
    response = Client(REMOTE_ADDR="192.0.2.3").get("/v1/models/x/y", headers={"x-api-key": customer.key})
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "too_many_wrong_keys"
    assert int(response.headers["Retry-After"]) >= 1
