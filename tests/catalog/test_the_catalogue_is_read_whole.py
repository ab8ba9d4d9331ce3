"""Promise: gateways see the catalogue as staff left it, in a constant number of queries, and one bad row hides nothing else."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.catalog.actions import save_backend, save_model, set_price
from apps.catalog.models import Backend, Model, Price
from apps.catalog.snapshot import read_catalog
from apps.core.ids import uuid7


def test_a_model_is_read_with_its_backends_and_prices(model: Model, settings: Settings) -> None:
    settings.BACKEND_TIMEOUT_S = 7.5
    save_backend(model, "http://127.0.0.1:9/v1/", {"api_key": "s3cret", "weight": 3})
    save_backend(model, "http://127.0.0.1:10/v1", {"first_byte_timeout_s": 2, "idle_timeout_s": 1, "upstream_model": "inner"})
    entry = read_catalog().models[model.public_id]
    first, second = entry.backends
    assert (first.base_url, first.api_key, first.upstream_model, first.weight) == ("http://127.0.0.1:9/v1", "s3cret", model.public_id, 3)
    assert (first.first_byte_timeout_s, first.idle_timeout_s, first.probe_ok) == (7.5, 7.5, None)
    assert (second.first_byte_timeout_s, second.idle_timeout_s, second.upstream_model) == (2, 1, "inner")
    assert entry.features == {"chat", "streaming"}
    assert "s3cret" not in repr(entry)


def test_the_number_of_queries_does_not_grow_with_the_catalogue(model: Model) -> None:
    with CaptureQueriesContext(
        connection,
    ) as before:
        read_catalog()
    for _ in range(3):
        other, _created = save_model(f"tests/{uuid7().hex}", {}, {})
        save_backend(other, "http://127.0.0.1:9/v1", {})
    with CaptureQueriesContext(connection) as after:
        read_catalog()
    assert len(after) == len(before)
    assert sum(query["sql"].startswith("SELECT") for query in after) == 4


def test_what_is_made_while_it_is_read_is_seen_whole_or_not_at_all() -> None:
    names: list[str] = []

    def make_one() -> None:
        with transaction.atomic():
            made, _created = save_model(f"tests/{uuid7().hex}", {}, {})
            save_backend(made, "http://127.0.0.1:9/v1", {})
        names.append(made.public_id)
        connection.close()

    def before_each(execute: Any, query: str, *rest: Any) -> Any:
        if query.startswith("SELECT"):
            thread = Thread(target=make_one)
            thread.start()
            thread.join()
        return execute(query, *rest)

    with connection.execute_wrapper(before_each):
        models = read_catalog().models
    assert len(names) == 4
    assert all(models[name].backends for name in names if name in models)


def test_models_and_backends_that_are_switched_off_are_not_there(model: Model) -> None:
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    Backend.objects.filter(pk=backend.pk).update(is_active=False)
    assert read_catalog().models[model.public_id].backends == ()
    Model.objects.filter(pk=model.pk).update(is_active=False)
    assert model.public_id not in read_catalog().models


def test_the_price_in_force_is_the_latest_that_has_begun(model: Model) -> None:
    Price.objects.filter(model=model).delete()
    start = datetime(2024, 2, 29, tzinfo=UTC)
    for hours, pico in ((0, 100), (1, 200), (1, 300)):
        Price.objects.create(model=model, effective_from=start + timedelta(hours=hours), input_pico=pico, output_pico=0)
    entry = read_catalog().models[model.public_id]

    def input_price(moment: datetime) -> int | None:
        rates = entry.rates_at(moment.timestamp())
        return rates and rates.input_pico

    assert input_price(start - timedelta(microseconds=1)) is None
    assert input_price(start) == 100
    assert input_price(start + timedelta(minutes=59)) == 100
    assert input_price(start + timedelta(hours=1)) == 300


def test_cached_input_costs_what_input_costs_unless_it_has_a_price(model: Model) -> None:
    catalog = read_catalog()
    rates = catalog.models[model.public_id].rates_at(catalog.db_now)
    assert rates is not None
    assert rates.cached_input_pico == rates.input_pico == 1_000_000
    set_price(model, {"cached_input_pico": 0})
    catalog = read_catalog()
    rates = catalog.models[model.public_id].rates_at(catalog.db_now)
    assert rates is not None
    assert (rates.input_pico, rates.cached_input_pico) == (1_000_000, 0)


def test_a_key_that_cannot_be_decrypted_costs_one_backend_and_not_the_catalogue(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    lost, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    kept, _ = save_backend(model, "http://127.0.0.1:10/v1", {})
    Backend.objects.filter(pk=lost.pk).update(api_key_encrypted="not what we wrote")
    with caplog.at_level(logging.ERROR):
        entry = read_catalog().models[model.public_id]
    Backend.objects.filter(pk=lost.pk).delete()
    assert [backend.id for backend in entry.backends] == [kept.pk]
    assert f"Backend {lost.pk} is left out" in caplog.text
