"""Promise: the start page shows the prices that are in force, quickly, to everybody, and also while Postgres is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from apps.core.money import price_from_usd_per_request
from apps.dashboard import landing
from apps.dashboard.measured import Measured, read
from tests.gateway.customers import TestModel, new_model

SERVER_TIME_S = 0.1


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    landing._last = None
    yield
    landing._last = None


def page_after(seconds: float) -> str:
    """The page as it is so many seconds later."""
    with mock.patch.object(landing, "monotonic", return_value=time.monotonic() + seconds):
        return Client().get("/").text


@pytest.fixture
def model() -> TestModel:
    return new_model("http://127.0.0.1:9/v1", prices={"input": "0.037", "cached_input": "0.0375", "output": "4.4"}, context_length=131_072)


def test_a_model_that_nothing_serves_is_not_offered(model: TestModel) -> None:
    bare = new_model()
    page = page_after(0)
    assert model.name.split("/")[1] in page
    assert bare.name.split("/")[1] not in page


def test_it_shows_a_model_with_its_prices(model: TestModel) -> None:
    row = Client().get("/").text.partition(f'title="{model.name}"')[2].partition("</tr>")[0]
    for text in ("131,072", "$0.037", "$0.0375", "$4.400"):
        assert text in row


def test_a_new_price_shows_within_seconds(model: TestModel) -> None:
    assert "$7.777" not in page_after(0)
    model.set_price(input="7.777", output="1")
    assert "$7.777" not in page_after(1)
    assert "$7.777" in page_after(landing.FRESH_S + 1)


def test_the_prices_read_last_stay_while_postgres_is_away(model: TestModel) -> None:
    assert model.name in page_after(0)
    with mock.patch.object(landing, "prices_on_offer", side_effect=OperationalError):
        assert model.name in page_after(landing.FRESH_S + 1)
        landing._last = None
        response = Client().get("/")
    assert response.status_code == 200
    assert "No models yet" in response.text


def test_the_receipt_adds_up(model: TestModel) -> None:
    prices = landing.price_list()
    receipt = landing.receipt(landing.EXAMPLE, landing.rates_of(prices[0]))
    amounts = [price_from_usd_per_request(row.amount.removeprefix("$"), "amount") for row in receipt.rows]
    assert sum(amounts) == price_from_usd_per_request(receipt.total.removeprefix("$"), "total")
    assert receipt.total in Client().get("/").text


def test_it_is_quick_and_may_be_cached(model: TestModel) -> None:
    client = Client()
    client.get("/")
    times = []
    for _ in range(7):
        started = time.perf_counter()
        response = client.get("/")
        times.append(time.perf_counter() - started)
    assert min(times) < SERVER_TIME_S
    assert response.headers["Cache-Control"] == f"public, max-age={landing.FRESH_S}"
    assert "Set-Cookie" not in response.headers
    assert not response.cookies


def test_who_has_a_session_is_led_to_the_dashboard_and_into_no_shared_cache() -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "anything"
    response = client.get("/")
    assert "Go to your dashboard" in response.text
    assert "Sign up" not in response.text
    assert "private" in response.headers["Cache-Control"]
    assert "Cookie" in response.headers["Vary"]


DOCUMENT = """
### Whole answers, 64 connections

|         | requests/s | × LiteLLM | added p50 | added p99 |
|---------|-----------:|----------:|----------:|----------:|
| direct  |     40,000 |      999× |         – |         – |
| LiteLLM |         49 |      1.0× |     1,300 |     1,500 |
| ours    |      2,345 |       48× |      1.00 |      2.00 |

### Whole answers, 1 connection

|      | requests/s | added p50 | added p99 |
|------|-----------:|----------:|----------:|
| ours |        700 |      0.91 |      1.50 |
"""


def test_figures_of_speed_are_those_of_the_last_benchmark() -> None:
    assert read(DOCUMENT) == Measured("0.91", "1.50", "2,345", "48")
    assert read(DOCUMENT.replace("| LiteLLM |", "| nginx   |")) == Measured("0.91", "1.50", "2,345", "")
    assert read("no results yet") is None
    written = read((settings.BASE_DIR / "docs" / "performance.md").read_text())
    text = Client().get("/").text
    assert f"{written.added_p50_ms} ms" in text if written else "make bench" in text
