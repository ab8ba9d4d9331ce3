"""Promise: the usage page shows what was used in the time that was asked for, in the account's own days, against the time before."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.usage.models import Status
from tests.dashboard.browsing import HTMX, logged_in
from tests.dashboard.history import priced_model, request_at, summed
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]

USD = 10**9
DATA = re.compile(r'<script id="chart-([a-z-]+)-data" type="application/json">(.*?)</script>', re.DOTALL)
DAY = timedelta(days=1)


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def client(alice: Registered) -> Client:
    return logged_in(alice.user)


def charts(text: str) -> dict[str, dict[str, Any]]:
    return {name: json.loads(data) for name, data in DATA.findall(text)}


def lines(chart: dict[str, Any]) -> dict[str, list[int | None]]:
    return {line["name"]: line["values"] for line in chart["lines"]}


def plain(text: str) -> str:
    """The words of a page, without its charts' data."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", DATA.sub("", text))).split())


def test_sums_groups_and_the_time_before(client: Client, alice: Registered) -> None:
    big, small = priced_model(), priced_model()
    key, _ = create_key(alice.account, "production")
    rows = [
        request_at(
            alice.account, 2 * DAY, model_id=big.pk, key_id=key.pk, cost=2 * USD, charged=2 * USD, cached_tokens=2, reasoning_tokens=4
        ),
        request_at(alice.account, 3 * DAY, model_id=small.pk, cost=USD, charged=USD, status=Status.FAILED, first_token_ms=None),
        request_at(alice.account, 40 * DAY, model_id=small.pk, cost=2 * USD, charged=2 * USD),
        request_at(new_customer().account, 2 * DAY, model_id=big.pk, cost=9 * USD, charged=9 * USD),
    ]
    summed(rows)
    page = client.get("/usage")
    words = plain(page.text)
    assert "Spend $3.00 +50.0 % on the time before" in words
    assert "50 % errors 2 +100.0 %" in words
    drawn = charts(page.text)
    spend = lines(drawn["spend"])
    assert list(spend) == [big.short_name, small.short_name]
    assert [sum(value or 0 for value in values) for values in spend.values()] == [2 * USD, USD]
    assert len(drawn["spend"]["labels"]) == len(spend[big.short_name]) == 30
    kinds = {name: sum(value or 0 for value in values) for name, values in lines(drawn["tokens"]).items()}
    assert kinds == {"Input": 22, "Cached input": 2, "Output": 64, "Reasoning": 4}
    assert len([value for value in lines(drawn["first-token"])["p50"] if value is not None]) == 1  # a gap is a gap
    assert f"/inferences?model={big.public_id.replace('/', '%2F')}&amp;start=" in page.text

    by_key = client.get("/usage?by=key&range=7d", headers=HTMX)
    assert "<html" not in by_key.text
    assert list(lines(charts(by_key.text)["spend"])) == ["production", "Playground"]
    assert list(lines(charts(client.get("/usage?by=status").text)["spend"])) == ["Completed", "Failed"]
    assert sum(lines(charts(client.get("/usage?range=90d").text)["spend"])[small.short_name]) == 3 * USD  # type: ignore[arg-type]


def test_more_groups_than_colours_are_taken_together(client: Client, alice: Registered) -> None:
    models = [priced_model() for _ in range(7)]
    for number, model in enumerate(models):
        request_at(alice.account, timedelta(), model_id=model.pk, cost=USD * (9 - number), charged=USD * (9 - number))
    drawn = lines(charts(client.get("/usage?range=1h").text)["spend"])
    assert list(drawn) == [*(model.short_name for model in models[:4]), "Other (3)"]
    assert sum(value or 0 for value in drawn["Other (3)"]) == (5 + 4 + 3) * USD


def test_days_are_those_of_the_accounts_zone(client: Client, alice: Registered) -> None:
    zone = ZoneInfo("Asia/Kathmandu")  # 5 h 45 min ahead
    alice.account.time_zone = zone.key
    alice.account.save()
    midnight = datetime(2026, 3, 11, tzinfo=zone)
    rows = [request_at(alice.account, midnight + timedelta(minutes=offset), total_ms=0, charged=1, cost=1) for offset in (-1, 0, 1)]
    summed(rows)
    drawn = charts(client.get("/usage?range=custom&first_day=2026-03-10&last_day=2026-03-11&by=status").text)["spend"]
    assert lines(drawn)["Completed"][-24:].count(None) == 0
    halves = lines(drawn)["Completed"]
    assert (sum(halves[:24]), sum(halves[24:])) == (1, 2)  # type: ignore[arg-type]
    assert drawn["labels"][0] == "00:00"
    assert drawn["titles"][0] == "10 Mar 2026, 00:00 +0545"


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("asked", ["1h", "24h", "7d", "30d", "90d", "1y", "month", "custom"])
def test_every_range_in_every_zone(client: Client, alice: Registered, zone: str, asked: str) -> None:
    alice.account.time_zone = zone
    alice.account.save()
    request_at(alice.account, timedelta(), cost=5, charged=5)
    page = client.get(f"/usage?range={asked}")
    assert page.status_code == 200
    assert sum(value or 0 for values in lines(charts(page.text)["spend"]).values() for value in values) == 5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("range=2w", "Range"),
        ("by=colour", "Group by"),
        ("range=custom&first_day=x", "From"),
        ("range=custom&first_day=2026-02-02&last_day=2026-02-01", "To"),
        ("range=custom&first_day=1066-10-14&last_day=2026-02-01", "From"),
        ("range=custom&first_day=2026-02-02&last_day=9999-12-31", "To"),
    ],
)
def test_a_wrong_range_is_named(client: Client, query: str, field: str) -> None:
    for headers in ({}, HTMX):
        answer = client.get(f"/usage?{query}", headers=headers)
        assert answer.status_code == 422
        assert re.search(f">{field}</a>:|>{field}</span>", answer.text)
    assert client.get(f"/usage/export?{query}").status_code == 422


def test_an_account_that_never_called_is_shown_the_way(client: Client) -> None:
    page = client.get("/usage")
    assert "No usage in this time" in page.text
    assert "/dashboard/onboarding" in page.text
    assert charts(page.text) == {}


def test_the_longest_range_is_drawn_with_few_points(client: Client, alice: Registered) -> None:
    row = request_at(alice.account, datetime(2022, 5, 5, tzinfo=UTC), cost=7, charged=7)
    summed([row])
    page = client.get(f"/usage?range=custom&first_day=2022-01-01&last_day={timezone.now():%Y-%m-%d}")
    drawn = charts(page.text)["spend"]
    assert len(drawn["labels"]) < 100
    assert sum(value or 0 for values in lines(drawn).values() for value in values) == 7
