"""Promise: the overview says what an account has left, what it spends against the same time before, and how the platform does."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.accounts.models import Account, AccountStatus
from apps.api_keys.actions import create_key
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.billing.queries import BurnRate
from apps.catalog.actions import save_backend, save_model
from apps.catalog.models import Backend, Model
from apps.core.ids import uuid7
from apps.core.moments import database_now
from apps.dashboard.overview import overview_of, platform
from apps.dashboard.progress import skip
from apps.dashboard.sparks import spark
from apps.usage import ranges
from apps.usage.models import Status
from tests.dashboard.browsing import logged_in
from tests.dashboard.history import priced_model, request_at, summed
from tests.dashboard.test_usage_shows_where_it_went import plain
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]

USD = 10**9
UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def alice() -> Registered:
    registered = new_customer()
    skip(registered.account)
    return registered


@pytest.fixture
def client(alice: Registered) -> Client:
    return logged_in(alice.user)


def test_balance_spend_health_and_tops(client: Client, alice: Registered) -> None:
    grant_credit(alice.account.pk, 70 * USD, PoolKind.PROMOTION, f"test:{uuid7()}")
    model, (key, _) = priced_model(), create_key(alice.account, "production")
    now = timezone.now()
    rows = [
        request_at(alice.account, timedelta(), model_id=model.pk, key_id=key.pk, cost=USD, charged=USD),
        request_at(alice.account, timedelta(), model_id=model.pk, key_id=key.pk, status=Status.FAILED, http_status=502),
        # Of the seven days before today: 7 dollars, a dollar a day.
        request_at(alice.account, now - timedelta(days=3), cost=7 * USD, charged=7 * USD),
        request_at(alice.account, now - timedelta(days=9), cost=4 * USD, charged=4 * USD),
        request_at(new_customer().account, timedelta(), cost=5 * USD, charged=5 * USD),
    ]
    summed(rows)
    seen = overview_of(alice.account, UTC_ZONE)
    assert seen.balance.remaining == 70 * USD
    assert seen.days_left is None  # by the ledger, as on the billing page: it knows of none of these
    assert (seen.spending.today.now, seen.spending.week.now, seen.spending.week.before) == (USD, 8 * USD, 4 * USD)
    assert (seen.health.sums.requests, seen.health.sums.errors, seen.health.first_token_p50) == (2, 1, pytest.approx(310, rel=0.1))
    assert [(top.name.text, top.charged) for top in seen.models][-1] == (model.short_name, USD)
    assert [(top.name.text, top.charged) for top in seen.keys] == [("Playground", 7 * USD), ("production", USD)]
    assert [row.inference.pk for row in seen.inferences][-2:] == [rows[2].pk, rows[3].pk]
    words = plain(client.get("/dashboard").text)
    assert "Balance $70.00 nothing is held" in words
    assert "Last 7 days $8.00 +100.0 % on the 7 before" in words
    assert "Requests 2 Errors 1 50 %" in words
    assert "502" in words


@pytest.mark.parametrize(
    ("left", "words"),
    [(9.9, "9 days left"), (1.2, "1 day left"), (0.3, "0 days left"), (400.0, "more than a year left"), (None, "nothing is held")],
)
def test_how_long_the_balance_lasts(client: Client, monkeypatch: pytest.MonkeyPatch, left: float | None, words: str) -> None:
    monkeypatch.setattr("apps.dashboard.overview.burn_rate", lambda account_id: BurnRate(1, left))
    assert words in plain(client.get("/dashboard").text)


def test_today_is_compared_with_as_much_of_this_day_last_week(alice: Registered) -> None:
    now = database_now()
    last_week = ranges.day_of(now - timedelta(days=7), UTC_ZONE)
    early, late = last_week.start, last_week.end - timedelta(milliseconds=1)
    rows = [request_at(alice.account, moment, total_ms=0, cost=USD, charged=USD) for moment in (early, late)]
    summed(rows)
    compared = overview_of(alice.account, UTC_ZONE).spending.today
    last_quarter = now.hour == 23 and now.minute >= 45
    assert compared.before == (2 * USD if last_quarter else USD)


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"])
def test_an_account_that_never_called(alice: Registered, client: Client, zone: str) -> None:
    alice.account.time_zone = zone
    alice.account.save()
    page = client.get("/dashboard")
    assert page.status_code == 200
    assert "Your first call is still to come" in page.text
    assert "No inferences yet" in page.text


def test_what_the_platform_serves_is_told_as_the_probes_found_it() -> None:
    before = platform()
    up, _ = save_model(f"test/up-{uuid7().hex[-12:]}", {"is_active": True}, {"input_pico": 1, "output_pico": 1})
    down, _ = save_model(f"test/down-{uuid7().hex[-12:]}", {"is_active": True}, {"input_pico": 1, "output_pico": 1})
    try:
        for model, ok in ((up, True), (down, False)):
            save_backend(model, "http://127.0.0.1:9/v1", {"upstream_model": "m"})
            Backend.objects.filter(model=model).update(probe_ok=ok, probed_at=timezone.now())
        after = platform()
        assert (after.offered - before.offered, after.serving - before.serving) == (2, 1)
        assert after.look == "warn" if after.serving else "bad"
        assert after.checked_at is not None
        save_backend(down, "http://127.0.0.1:10/v1", {"upstream_model": "m"})  # a second one, not looked at yet
        assert platform().serving - before.serving == 2
    finally:
        Model.objects.filter(pk__in=[up.pk, down.pk]).delete()


def test_a_spark_shows_a_course_or_nothing() -> None:
    assert spark([]).points == spark([5]).points == spark([0, 0, 0]).points == ""
    assert spark([0, 10, 5]).points == "0.0,26.0 36.0,2.0 72.0,14.0"


def test_a_suspension_is_said_first(client: Client, alice: Registered) -> None:
    assert "suspended" not in plain(client.get("/dashboard").text)
    Account.objects.filter(pk=alice.account.pk).update(status=AccountStatus.SUSPENDED)
    page = client.get("/dashboard").text
    said = page.index("Your account is suspended.")
    assert page.index("<h1>Dashboard</h1>") < said < page.index("Balance and spend")
    assert 'href="/settings/billing">See on the billing page' in page[said:]
