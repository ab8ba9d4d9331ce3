"""`Inference-Id` is on every answer of the API, whoever gives it, and on no page."""

from __future__ import annotations

from uuid import UUID

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from apps.core.middleware import ApiMiddleware


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a bug")


urlpatterns = [path("v1/broken", broken), path("anthropic/broken", broken), path("broken", broken)]
handler400 = "akashml.errors.bad_request"
handler500 = "akashml.errors.server_error"

PATHS = ["/v1", "/v1/", "/v1/models", "/v1/nothing/at/all", "/v1/chat/completions", "/anthropic", "/anthropic/v1/nothing"]
PAGES = ["/", "/v1x", "/anthropical", "/nothing", "/api/schema/"]


@pytest.mark.parametrize("address", PATHS)
async def test_answers_of_the_api_have_one(address: str) -> None:
    for response in (await AsyncClient().get(address), await AsyncClient().post(address)):
        assert UUID(response.headers["Inference-Id"]).version == 7
        assert "X-Frame-Options" not in response.headers


@pytest.mark.parametrize("address", PATHS)
def test_under_wsgi_too(address: str) -> None:
    first, second = (Client().get(address).headers["Inference-Id"] for _ in range(2))
    assert UUID(first).version == 7
    assert first < second


@pytest.mark.parametrize("address", PAGES)
def test_pages_have_none(address: str) -> None:
    response = Client().get(address)
    assert "Inference-Id" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_host_that_is_not_ours_gets_an_error_in_our_shape() -> None:
    response = Client().get("/v1/models", headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert "Inference-Id" in response.headers
    page = Client().get("/", headers={"host": "elsewhere.example"})
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.urls(__name__)
def test_a_bug_of_ours_gets_an_error_in_our_shape() -> None:
    client = Client(raise_request_exception=False)
    response = client.get("/v1/broken")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "a bug" not in response.text
    assert "Inference-Id" in response.headers
    assert "Inference-Id" in client.get("/anthropic/broken").headers
    assert client.get("/broken").headers["content-type"].startswith("text/html")


async def test_an_id_that_is_there_stays_and_no_thread_is_changed_for_it() -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"inference-id": "the story's own"})

    middleware = ApiMiddleware(answer)
    assert iscoroutinefunction(middleware)
    response = await middleware(RequestFactory().get("/v1/models"))
    assert [value for name, value in response.items() if name.lower() == "inference-id"] == ["the story's own"]
    assert not iscoroutinefunction(ApiMiddleware(lambda request: HttpResponse()))
