"""Promise: staff edit models, prices and backends in the admin site; a backend's key is written there and never shown."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from apps.catalog.actions import save_backend
from apps.catalog.admin import BackendForm, ModelForm
from apps.catalog.models import Backend, Model
from apps.catalog.price_admin import PriceForm
from tests.staff import staff_client


def backend_data(model: Model, **changes: Any) -> dict[str, Any]:
    return {
        "model": model.pk, "base_url": "http://127.0.0.1:9/v1", "upstream_model": "m", "weight": 1, "connect_timeout_s": 5, "is_active": "on",
    } | changes  # fmt: skip


def test_a_backends_key_is_kept_replaced_and_removed_but_never_shown(model: Model) -> None:
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {"api_key": "first-key"})
    for changes, expected in (({}, "first-key"), ({"new_api_key": "second-key"}, "second-key"), ({"remove_api_key": "on"}, "")):
        form = BackendForm(backend_data(model, **changes), instance=backend)
        assert form.is_valid(), form.errors
        form.save()
        backend = Backend.objects.get(pk=backend.pk)
        assert backend.api_key == expected
        shown = BackendForm(instance=backend).as_p()
        assert "-key" not in shown
        assert backend.api_key_encrypted == "" or backend.api_key_encrypted not in shown


def test_a_backend_address_is_judged_in_the_form(model: Model, settings: Settings) -> None:
    assert BackendForm(backend_data(model, base_url="http://vllm:8000/v1")).is_valid()
    settings.ALLOW_PRIVATE_BACKENDS = False
    assert "private network" in str(BackendForm(backend_data(model)).errors["base_url"])


@pytest.mark.parametrize("key", ["a\r\nx-other: header", "two words", "clé", "\x7f"])
def test_a_key_that_no_header_may_carry_is_an_error_of_its_field(model: Model, key: str) -> None:
    assert list(BackendForm(backend_data(model, new_api_key=key)).errors) == ["new_api_key"]


@pytest.mark.parametrize("field", ["connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s"])
@pytest.mark.parametrize("seconds", [-1, 0, 0.05, 3601, "nan", "inf"])
def test_a_time_out_that_makes_no_sense_is_an_error_of_its_field(model: Model, field: str, seconds: object) -> None:
    assert list(BackendForm(backend_data(model, **{field: seconds})).errors) == [field]


def test_the_same_backend_twice_is_an_error_of_the_form(model: Model) -> None:
    save_backend(model, "http://127.0.0.1:9/v1", {})
    assert not BackendForm(backend_data(model)).is_valid()


def test_prices_are_written_in_dollars_per_million_and_kept_exactly(model: Model) -> None:
    data = {
        "input_price": "0.0375",
        "output_price": "0.49",
        "request_price": "0.001",
        "effective_from_0": "2030-01-01",
        "effective_from_1": "00:00",
    }
    form = PriceForm(data | {"effective_from": "2030-01-01 00:00"})
    form.instance.model = model
    assert form.is_valid(), form.errors
    price = form.save()
    price.refresh_from_db()
    assert (price.input_pico, price.cached_input_pico, price.output_pico, price.request_pico) == (37_500, None, 490_000, 10**9)


@pytest.mark.parametrize("wrong", ["-1", "0.0000001", "10001", "x"])
def test_a_wrong_price_is_an_error_of_its_field(wrong: str) -> None:
    form = PriceForm({"input_price": wrong, "output_price": "1", "request_price": "0", "effective_from": "2030-01-01 00:00"})
    assert list(form.errors) == ["input_price"]


def model_data(model: Model, **changes: Any) -> dict[str, Any]:
    return {
        "public_id": model.public_id, "name": "Renamed", "context_length": 4096, "default_max_output": 512, "supported_features": ["chat"],
        "reasoning": "{}", "is_active": "on", "prices-TOTAL_FORMS": 0, "prices-INITIAL_FORMS": 0,
    } | changes  # fmt: skip


@pytest.mark.urls("tests.staff")
def test_a_new_price_is_added_on_the_models_page_and_the_old_one_stays(model: Model) -> None:
    client = staff_client()
    page = f"/admin/catalog/model/{model.pk}/change/"
    old = model.prices.get()
    shown = client.get(page).content.decode()
    assert 'class="field-input_price' in shown
    assert "<p>1</p>" in shown  # the price in force, for reading
    assert 'name="prices-0-input_price"' not in shown
    new = {
        "prices-TOTAL_FORMS": 2, "prices-INITIAL_FORMS": 1, "prices-0-id": old.pk, "prices-0-input_price": 99, "prices-0-model": model.pk,
        "prices-1-effective_from_0": "2030-01-01", "prices-1-effective_from_1": "00:00", "prices-1-input_price": "0.0375",
        "prices-1-output_price": "2", "prices-1-request_price": "0", "prices-1-model": model.pk,
    }  # fmt: skip
    answer = client.post(page, model_data(model, **new))
    assert answer.status_code == 302, answer.content.decode()
    assert list(model.prices.order_by("effective_from").values_list("input_pico", flat=True)) == [1_000_000, 37_500]
    model.refresh_from_db()
    assert model.name == "Renamed"


@pytest.mark.urls("tests.staff")
def test_the_catalogues_admin_pages_open(model: Model) -> None:
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {"api_key": "s3cret-key"})
    client = staff_client()
    for page in ("model/", "model/add/", "backend/", "backend/add/", f"backend/{backend.pk}/change/"):
        answer = client.get(f"/admin/catalog/{page}?q=" if page.count("/") == 1 else f"/admin/catalog/{page}")
        assert answer.status_code == 200, page
        assert b"s3cret-key" not in answer.content


def test_a_models_reasoning_settings_are_an_object(model: Model) -> None:
    class Form(ModelForm):
        class Meta:
            model = Model
            fields = ("reasoning", "supported_features")

    assert Form({"reasoning": "{}", "supported_features": ["chat"]}, instance=model).is_valid()
    assert "JSON object" in str(Form({"reasoning": "[1]"}, instance=model).errors["reasoning"])
    assert "supported_features" in Form({"reasoning": "{}", "supported_features": ["telepathy"]}, instance=model).errors
