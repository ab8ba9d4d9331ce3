"""Promise: the log shows each of one's requests, newest first, filtered as asked, live; and nothing of anybody else."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.core.ids import uuid7
from apps.usage.models import Dialect, Inference, Status
from tests.dashboard.browsing import HTMX, logged_in
from tests.dashboard.history import priced_model, request_at
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]

LOG = "/inferences"
ROW = re.compile(r'<tr data-id="([0-9a-f-]+)"')
MORE = re.compile(r'href="(\?[^"]*before=[0-9a-f-]+)"')
HOUR = timedelta(hours=1)


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def client(alice: Registered) -> Client:
    return logged_in(alice.user)


def shown(client: Client, query: str = "") -> list[UUID]:
    answer = client.get(f"{LOG}{query}")
    assert answer.status_code == 200, answer.text
    return [UUID(found) for found in ROW.findall(answer.text)]


def ids(rows: list[Inference]) -> list[UUID]:
    return [row.pk for row in rows]


def test_page_by_page_newest_first_and_each_once(client: Client, alice: Registered) -> None:
    rows = [request_at(alice.account, timedelta(seconds=second)) for second in range(120)]
    request_at(new_customer().account, HOUR)
    found, address = [], ""
    for length in (50, 50, 20):
        answer = client.get(f"{LOG}{address}", headers=HTMX)
        page = [UUID(one) for one in ROW.findall(answer.text)]
        assert len(page) == length
        found += page
        address = next(iter(MORE.findall(answer.text)), "")
    assert address == ""
    assert found == ids(rows)


def test_every_filter(client: Client, alice: Registered) -> None:
    model = priced_model()
    key, _ = create_key(alice.account, "production")
    plain = request_at(alice.account, timedelta(minutes=5), key_id=key.pk, charged=20_000_000, cost=20_000_000, total_ms=1_000)
    odd = request_at(
        alice.account,
        timedelta(days=3),
        model_id=model.pk,
        status=Status.FAILED,
        dialect=Dialect.MESSAGES,
        streamed=True,
        first_token_ms=3_000,
        total_ms=9_500,
    )
    lost = request_at(alice.account, timedelta(days=40), status=Status.LOST, first_token_ms=None)
    wanted = {
        f"model={model.public_id}": [odd],
        f"key={key.pk}": [plain],
        "key=none": [odd, lost],
        "status=completed": [plain],
        "status=failed": [odd],
        "status=trouble": [odd, lost],
        "range=1h": [plain],
        "range=30d": [plain, odd],
        f"end={(timezone.now() - timedelta(days=1)):%Y-%m-%dT%H:%M}": [odd, lost],
        f"start={(timezone.now() - timedelta(days=4)):%Y-%m-%dT%H:%M}&status=trouble": [odd],
        "dialect=messages": [odd],
        "streaming=yes": [odd],
        "streaming=no": [plain, lost],
        "min_charged=0.02": [plain],
        "max_charged=0.019999999": [odd, lost],
        "min_first_token_s=2.5": [odd],
        "max_first_token_s=0.31": [plain],
        "min_total_s=9.5": [odd],
        "max_total_s=1": [plain],
        f"id={str(odd.pk)[:11]}": [odd],
        f"id={str(odd.pk)[:8]}…{str(odd.pk)[-4:]}": [odd],
        "model=&key=&status=&range=": [plain, odd, lost],
    }
    for query, rows in wanted.items():
        assert shown(client, f"?{query}") == ids(rows), query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=perfect", "Status"),
        ("model=nobody/has-it", "Model"),
        ("key=999999999999", "Key"),
        ("key=x", "Key"),
        ("start=yesterday", "From"),
        ("start=1900-01-01T00:00", "From"),
        ("end=99999-01-01", "Until"),
        ("start=2026-02-02T00:00&end=2026-02-01T00:00", "Until"),
        ("min_charged=cheap", "Charged at least"),
        ("min_charged=NaN", "Charged at least"),
        ("max_charged=1e400", "Charged at most"),
        ("min_charged=0.0000000001", "Charged at least"),
        ("min_charged=2&max_charged=1", "Charged at most"),
        ("min_first_token_s=2&max_first_token_s=1", "First token at most"),
        ("min_total_s=-1", "Total at least"),
        ("id=xyz", "Inference-Id"),
        ("id=" + "a" * 40, "Inference-Id"),
    ],
)
def test_a_wrong_filter_is_named(client: Client, alice: Registered, query: str, field: str) -> None:
    request_at(alice.account, HOUR)
    for headers in ({}, HTMX):
        answer = client.get(f"{LOG}?{query}", headers=headers)
        assert answer.status_code == 422
        assert f">{field}</a>:" in answer.text
        assert not ROW.search(answer.text)


def test_a_key_of_somebody_else_is_no_filter(client: Client) -> None:
    key, _ = create_key(new_customer().account, "theirs")
    assert client.get(f"{LOG}?key={key.pk}").status_code == 422


def test_a_rare_request_is_found_behind_any_number_of_others(client: Client, alice: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.usage.log.LOOKED_THROUGH", 20)
    rare = request_at(alice.account, HOUR, status=Status.LOST)
    for second in range(50):
        request_at(alice.account, timedelta(seconds=second))
    address = "?status=lost"
    for _ in range(2):  # neither of the first twenty nor of the next ones
        answer = client.get(f"{LOG}{address}", headers=HTMX)
        assert "Searched back to" in answer.text
        assert not ROW.search(answer.text)
        [address] = MORE.findall(answer.text.replace("&amp;", "&"))
    assert shown(client, address) == [rare.pk]


def test_an_id_leads_to_its_page_and_only_to_ones_own(client: Client, alice: Registered) -> None:
    own, other = request_at(alice.account, HOUR), request_at(new_customer().account, HOUR)
    assert client.get(f"{LOG}?id={own.pk}").headers["Location"] == f"{LOG}/{own.pk}"
    assert client.get(f"{LOG}?id={own.pk.hex.upper()}", headers=HTMX).headers["HX-Redirect"] == f"{LOG}/{own.pk}"
    for stranger in (other.pk, uuid7()):
        page = client.get(f"{LOG}?id={stranger}")
        assert page.status_code == 200
        assert "Nothing matches" in page.text
        assert client.get(f"{LOG}/{stranger}").status_code == 404
        assert "receipt" not in client.get(f"{LOG}?open={stranger}").text
    assert client.get(f"{LOG}/{own.pk}").status_code == 200
    assert "receipt" in client.get(f"{LOG}?open={own.pk}").text
    assert client.get(f"{LOG}?open=x").status_code == 200


def test_visitors_are_asked_to_log_in() -> None:
    for address in (LOG, f"{LOG}/new", f"{LOG}/{uuid7()}", f"{LOG}/export", "/usage", "/usage/export"):
        assert Client().get(address).headers["Location"].startswith("/accounts/login/")


def test_live_brings_what_has_settled_since_however_long_it_ran(client: Client, alice: Registered) -> None:
    old = request_at(alice.account, HOUR)
    asked_at = timezone.now()
    new = f"{LOG}/new"
    assert client.get(new, {"settled_after": asked_at.isoformat()}).status_code == 204
    long = request_at(alice.account, HOUR, settled_at=timezone.now(), total_ms=3_600_000)
    request_at(new_customer().account, timedelta())
    answer = client.get(new, {"settled_after": asked_at.isoformat()})
    assert ROW.findall(answer.text) == [str(long.pk)]
    assert str(old.pk) not in answer.text
    assert answer.headers["X-Asked-At"] > asked_at.isoformat()
    assert client.get(new, {"settled_after": asked_at.isoformat(), "status": "lost"}).status_code == 204
    # Who was away for long, or asks for nonsense, begins anew.
    for since in ((asked_at - HOUR).isoformat(), "", "soon"):
        assert client.get(new, {"settled_after": since}).status_code == 205


def test_more_than_a_page_at_once_is_not_shown_in_part(client: Client, alice: Registered) -> None:
    asked_at = timezone.now()
    for _ in range(51):
        request_at(alice.account, timedelta(), settled_at=timezone.now())
    assert client.get(f"{LOG}/new", {"settled_after": asked_at.isoformat()}).status_code == 205
