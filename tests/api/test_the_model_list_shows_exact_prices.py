"""`GET /v1/models` lists what can be called now, at the prices that are charged now, as exact decimal strings in USD."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openai import NotFoundError, OpenAI

from apps.catalog.actions import save_model
from apps.catalog.models import Model, Price
from apps.core.ids import uuid7
from apps.core.money import price_from_usd_per_million, price_from_usd_per_request
from tests.api.doors import Doors, bearer
from tests.gateway.customers import Customer


def new_model(prices: dict[str, int] | None = None, **fields: Any) -> Model:
    return save_model(f"tests/{uuid7().hex}", fields, {"input_pico": 1_000_000, "output_pico": 2_000_000} if prices is None else prices)[0]


def listed(customer: Customer) -> dict[str, dict[str, Any]]:
    response = Client(headers=bearer(customer)).get("/v1/models")
    assert response.status_code == 200
    answer = response.json()
    assert answer["object"] == "list"
    ids = [item["id"] for item in answer["data"]]
    assert ids == sorted(set(ids))
    return {item["id"]: item for item in answer["data"]}


def test_an_item_has_openais_shape_and_our_metadata(customer: Customer) -> None:
    model = new_model(
        {
            "input_pico": price_from_usd_per_million("0.0375"),
            "output_pico": price_from_usd_per_million("0.49"),
            "cached_input_pico": price_from_usd_per_million("0.000001"),
            "request_pico": price_from_usd_per_request("0.005"),
        },
        name="A model",
        description="It “talks”.",
        context_length=196_608,
        max_output_length=65_536,
        quantization="fp8",
        supported_features=["chat", "vision", "tools"],
    )
    item = listed(customer)[model.public_id]
    assert item == {
        "id": model.public_id,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": "tests",
        "name": "A model",
        "description": "It “talks”.",
        "context_length": 196_608,
        "max_output_length": 65_536,
        "quantization": "fp8",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "supported_sampling_parameters": model.supported_sampling_parameters,
        "supported_features": ["chat", "tools", "vision"],
        "pricing": {"input": "0.0000000375", "output": "0.00000049", "input_cache_read": "0.000000000001", "request": "0.005"},
    }


def test_what_a_model_does_not_say_is_filled_in(customer: Customer) -> None:
    model = save_model(f"single-{uuid7().hex}", {"context_length": 4_096}, {"input_pico": 1_000_000, "output_pico": 0})[0]
    item = listed(customer)[model.public_id]
    assert item["owned_by"] == "akashml"
    assert item["max_output_length"] == 4_096  # whatever the context leaves
    assert item["quantization"] is None
    # Cached input costs what input costs.
    assert item["pricing"] == {"input": "0.000001", "output": "0", "input_cache_read": "0.000001", "request": "0"}


def test_the_price_is_the_one_in_force(customer: Customer) -> None:
    model = new_model()
    hour, now = timedelta(hours=1), timezone.now()
    Price.objects.create(model=model, effective_from=now - 2 * hour, input_pico=9, output_pico=9)
    Price.objects.create(model=model, effective_from=now + hour, input_pico=8, output_pico=8)
    assert listed(customer)[model.public_id]["pricing"]["input"] == "0.000001"
    save_model(model.public_id, {}, {"input_pico": 3_000_000})
    assert listed(customer)[model.public_id]["pricing"]["input"] == "0.000003"


def test_of_two_prices_for_one_moment_the_later_written_holds(customer: Customer) -> None:
    model = new_model()
    moment = timezone.now()
    for pico in (5, 7):
        Price.objects.create(model=model, effective_from=moment, input_pico=pico, output_pico=pico)
    assert listed(customer)[model.public_id]["pricing"]["input"] == "0.000000000007"


def test_only_what_can_be_called_is_listed(customer: Customer) -> None:
    inactive, unpriced = new_model(is_active=False), new_model()
    unpriced.prices.update(effective_from=timezone.now() + timedelta(hours=1))
    assert not {inactive.public_id, unpriced.public_id} & listed(customer).keys()
    for model in (inactive, unpriced):
        response = Client(headers=bearer(customer)).get(f"/v1/models/{model.public_id}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"


def test_it_takes_the_same_few_queries_however_many_models_there_are(customer: Customer) -> None:
    client = Client(headers=bearer(customer))
    for _ in range(2):
        new_model()
        for path in ("/v1/models", f"/v1/models/{new_model().public_id}"):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(path).status_code == 200
            assert len(queries) == 2, [query["sql"] for query in queries]


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{quoted}"])
def test_one_model_is_its_item_of_the_list(spelling: str, customer: Customer) -> None:
    model = new_model()
    path = spelling.format(model.public_id, quoted=model.public_id.replace("/", "%2F"))
    response = Client(headers=bearer(customer)).get(f"/v1/models/{path}")
    assert response.status_code == 200
    assert response.json() == listed(customer)[model.public_id]


@pytest.mark.parametrize("name", ["nobody/nothing", "a%00b", "%ff", "a/b/c", "..", "x" * 5_000, "'; --", "%F0%9F%A6%99"])
def test_an_unknown_model_is_said_to_be_unknown(name: str, customer: Customer) -> None:
    response = Client(headers=bearer(customer)).get(f"/v1/models/{name}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert response.json()["error"]["param"] == "model"


@pytest.mark.parametrize("door", ["fast", "slow"])
def test_openais_client_reads_the_list_and_an_item(door: str, doors: Doors, customer: Customer) -> None:
    model = new_model(name="For the SDK")
    with OpenAI(base_url=getattr(doors, door).base_url, api_key=customer.key, max_retries=0) as client:
        found = {item.id: item for item in client.models.list()}
        assert found[model.public_id].owned_by == "tests"
        assert found[model.public_id].pricing["output"] == "0.000002"  # type: ignore[attr-defined]
        item = client.models.retrieve(model.public_id)
        assert (item.id, item.object, item.name) == (model.public_id, "model", "For the SDK")  # type: ignore[attr-defined]
        with pytest.raises(NotFoundError, match="does not exist"):
            client.models.retrieve("nobody/nothing")
