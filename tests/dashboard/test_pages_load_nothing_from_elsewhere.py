"""Promise: the policy of every page forbids inline script and style, other hosts and framing; the API's answers are not burdened with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import AsyncClient, Client

from tests.staff import staff_client

PAGES = ["/", "/accounts/login/", "/accounts/signup/", "/nothing", "/admin/login/", "/palette", "/api/schema/"]
TEMPLATES = Path(settings.BASE_DIR) / "templates"
# A mail is no page: its styles must stand in it.
SOURCES = sorted(path for path in TEMPLATES.rglob("*.html") if path.relative_to(TEMPLATES).parts[0] != "mail")
# What a browser would run or apply from within a page. `on` + a letter catches onclick and its like.
INLINE = [
    r"<script(?![^>]*\bsrc=)",
    r"<style",
    r"\sstyle=",
    r"\son[a-z]+=",
    r"javascript:",
    r"hx-on",
    r"https?://(?!127\.0\.0\.1|www\.w3\.org)",
]


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split(";"))}


@pytest.mark.parametrize("address", PAGES)
def test_a_page(address: str) -> None:
    headers = Client().get(address).headers
    policy = directives(headers["Content-Security-Policy"])
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "nonce" not in headers["Content-Security-Policy"]
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == ["'none'"]
    stripe = {"https://checkout.stripe.com", "https://hooks.stripe.com"}
    assert {"'self'", *stripe, "https://accounts.google.com", "https://github.com"} <= set(policy["form-action"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert headers["X-Request-Id"]


def test_a_page_that_depends_on_who_asks_is_kept_by_no_cache() -> None:
    assert "private" in staff_client().get("/style").headers["Cache-Control"]


@pytest.mark.parametrize("address", ["/v1/models", "/v1/nothing", "/v1/chat/completions"])
async def test_the_api_is_not_burdened(address: str) -> None:
    headers = (await AsyncClient().get(address)).headers
    assert "Content-Security-Policy" not in headers
    assert "Permissions-Policy" not in headers


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_template_has_what_the_policy_forbids(source: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", source.read_text())
    assert [pattern for pattern in INLINE if re.search(pattern, text)] == []
