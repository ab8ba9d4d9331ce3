"""Promise: every error page says what happened and what to do, carries the request's id, and needs neither database nor session."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from redis.exceptions import ConnectionError as ValkeyAway

from akashml.urls import handler400, handler403, handler404, handler429, handler500
from akashml.urls import urlpatterns as ours
from apps.dashboard.errors import PROBLEMS

ERRORS = {
    "bug": RuntimeError("a bug"),
    "postgres": OperationalError("connection refused"),
    "valkey": ValkeyAway("connection refused"),
    "malformed": BadRequest("what"),
    "denied": PermissionDenied(),
}


def broken(request: HttpRequest, name: str) -> HttpResponse:
    raise ERRORS[name]


def busy(request: HttpRequest) -> HttpResponse:
    from allauth.core.internal.ratelimit import respond_429

    return respond_429(request)


def get_only(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotAllowed(["GET"])


urlpatterns = [path("broken/<name>", broken), path("busy", busy), path("get-only", get_only), *ours]
__all__ = ["handler400", "handler403", "handler404", "handler429", "handler500"]  # Django looks for them here

CASES = {
    "/broken/malformed": 400,
    "/broken/denied": 403,
    "/nothing": 404,
    "/get-only": 405,
    "/busy": 429,
    "/broken/bug": 500,
    "/broken/postgres": 503,
    "/broken/valkey": 503,
}


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("address", "status"), CASES.items())
def test_a_page_for_each(client: Client, address: str, status: int) -> None:
    from django.db import connection

    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    assert response.status_code == status
    assert PROBLEMS[status].title in response.text
    assert response.headers["X-Request-Id"] in response.text
    assert "Content-Security-Policy" in response.headers
    assert "a bug" not in response.text
    assert "refused" not in response.text
    assert len(queries) == 0
    assert ("Retry-After" in response.headers) == (status == 503)


@pytest.mark.urls(__name__)
def test_what_may_be_tried_again_offers_that(client: Client) -> None:
    assert 'href="/broken/postgres?page=2"' in client.get("/broken/postgres?page=2").text
    assert "Try again" not in client.post("/broken/postgres").text  # a form sent twice might do something twice
    assert "Try again" not in client.get("/nothing").text


@pytest.mark.urls(__name__)
def test_the_address_is_shown_as_text(client: Client) -> None:
    text = client.get("/broken/postgres", {"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in text


def test_trying_again_never_leads_off_the_site() -> None:
    with override_settings(MAINTENANCE="Soon back"):
        assert 'href="/%2Fevil.example/"' in Client().get("/", PATH_INFO="//evil.example/").text


@pytest.mark.urls(__name__)
def test_what_was_allowed_is_still_said(client: Client) -> None:
    assert client.get("/get-only").headers["Allow"] == "GET"


def test_a_form_without_its_token_is_refused_with_an_explanation() -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a@example.com", "password": "x"})
    assert response.status_code == 403
    assert "This form is out of date" in response.text
    assert response.headers["X-Request-Id"] in response.text


def test_while_maintained_every_page_says_so_and_the_api_goes_on() -> None:
    from django.db import connection

    with override_settings(MAINTENANCE="Back at 14:00 UTC."), CaptureQueriesContext(connection) as queries:
        for address in ("/", "/accounts/login/", "/admin/", "/nothing"):
            response = Client().get(address)
            assert response.status_code == 503
            assert "Back at 14:00 UTC. The API" in response.text
            assert response.headers["Retry-After"]
        assert Client().get("/v1/models").status_code == 401
        assert Client().get("/metrics").status_code == 200
    assert not settings.MAINTENANCE
    assert [query["sql"] for query in queries if "session" in query["sql"]] == []
