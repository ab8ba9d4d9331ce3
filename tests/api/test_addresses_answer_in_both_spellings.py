"""Every address answers with and without its trailing slash, and a gateway process answers the API alone."""

from __future__ import annotations

import httpx
import pytest
from django.test import Client

from tests.api.doors import CHAT, bearer, chat
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer
from tests.gateway.processes import gateways_running


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/v1/chat/completions", 405),
        ("/v1/models", 401),
        ("/v1/models/tests/x", 401),
        ("/metrics", 200),
        ("/api/schema", 200),
        ("/login", 302),
    ],
)
def test_both_spellings_answer_alike(address: str, status: int) -> None:
    without, with_slash = Client().get(address), Client().get(f"{address}/")
    assert without.status_code == with_slash.status_code == status
    assert without.content == with_slash.content
    assert without.headers.get("location") == with_slash.headers.get("location")


@pytest.mark.parametrize("address", ["/accounts/login", "/accounts/password/reset", "/admin", "/admin/login"])
def test_pages_of_other_apps_are_found_without_their_slash(address: str) -> None:
    response = Client().post(f"{address}?next=/docs", {"a": "b"})
    assert response.status_code == 308  # the browser sends the same method and body again
    assert response.headers["location"] == f"{address}/?next=/docs"


def test_log_in_is_where_it_is_said_to_be() -> None:
    response = Client().get("/login?next=/usage")
    assert response.headers["location"] == "/accounts/login/?next=/usage"
    assert Client().get("/accounts/login/").status_code == 200


def test_a_redirect_never_leads_off_the_site() -> None:
    for path in ("/accounts//evil.example", "//accounts", "/accounts/%5Cevil.example", "/accounts/%0Aevil"):
        location = Client().get(path).headers.get("location", "")
        assert location == "" or (location.startswith("/") and not location.startswith(("//", "/\\"))), location


def test_the_start_page_says_what_runs_here() -> None:
    response = Client().get("/")
    assert response.status_code == 200
    assert 'href="/api/schema"' in response.text
    assert "/v1/chat/completions" in response.text


def test_a_gateway_process_serves_the_api_and_no_pages(backend: FakeBackend, customer: Customer) -> None:
    with gateways_running(1, SERVE="gateway") as [process], httpx.Client(base_url=process.url) as client:
        body = chat(offer(process, backend.base_url).name)
        assert client.post(CHAT, json=body, headers=bearer(customer)).status_code == 200
        for path in ("/v1/models", "/v1/models/"):
            assert client.get(path, headers=bearer(customer)).status_code == 200
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200
        for path in ("/", "/admin/", "/accounts/login/", "/login", "/api/schema/"):
            assert client.get(path).status_code == 404
        assert client.get("/v1/nothing").json()["error"]["code"] == "unknown_url"
