"""CORS_ORIGINS says which web pages may call the API from a browser; without it none may."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings

PREFLIGHT = {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "authorization,x-stainless-os"}
OURS, OTHER = "https://app.example.com", "https://evil.example.com"


def ask(origin: str) -> dict[str, str]:
    response = Client().options("/v1/chat/completions", HTTP_ORIGIN=origin, **PREFLIGHT)
    assert response.status_code == 204
    return dict(response.headers)


@override_settings(CORS_ORIGINS=[OURS])
def test_a_page_of_an_allowed_origin_is_told_that_it_may() -> None:
    headers = ask(OURS)
    assert headers["Access-Control-Allow-Origin"] == OURS
    assert headers["Access-Control-Allow-Headers"] == "authorization,x-stainless-os"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in headers


@override_settings(CORS_ORIGINS=[OURS])
def test_another_page_is_not() -> None:
    assert "Access-Control-Allow-Origin" not in ask(OTHER)


@override_settings(CORS_ORIGINS=["*"])
def test_a_star_allows_every_page() -> None:
    assert ask(OTHER)["Access-Control-Allow-Origin"] == "*"


def test_without_the_setting_no_page_may() -> None:
    assert "Access-Control-Allow-Origin" not in ask(OURS)


@override_settings(CORS_ORIGINS=[OURS])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/nothing"])
def test_answers_and_errors_can_be_read_by_an_allowed_page(path: str) -> None:
    response = Client().get(path, HTTP_ORIGIN=OURS)
    assert response.status_code in (401, 404)
    assert response.headers["Access-Control-Allow-Origin"] == OURS
    assert "Inference-Id" in response.headers["Access-Control-Expose-Headers"]
