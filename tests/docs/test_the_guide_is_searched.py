"""Promise: a few words typed at /docs/search find the section that answers, with its address, while they are still being typed."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from apps.dashboard.docs import library
from apps.dashboard.docs.search import _library, _result, search


@pytest.mark.parametrize(
    ("question", "address"),
    [
        ("claude code", "/docs/claude-code"),
        ("auto top-up", "/docs/credits-and-billing"),
        ("revoke key", "/docs/api-keys"),
        ("429 retry", "/docs/errors-and-rate-limits"),
        ("passkey", "/docs/account-and-security"),
        ("vllm backend", "/docs/self-hosting"),
    ],
)
def test_the_best_result_is_on_the_page_that_is_about_it(question: str, address: str) -> None:
    assert search(question)[0].url.partition("#")[0] == address


def test_a_word_that_is_only_begun_finds_what_it_may_become() -> None:
    assert any(result.url.startswith("/docs/account-and-security") for result in search("passk"))


def test_every_section_has_an_anchor_on_its_page() -> None:
    for section in _library.index().sections:
        page, _, anchor = _result(section, set()).url.partition("#")
        anchors = {heading.anchor for heading in library.document(page.removeprefix("/docs/")).headings}
        assert not anchor or anchor in anchors, section.label


def test_excerpts_are_without_markup() -> None:
    for section in _library.index().sections:
        excerpt = _result(section, set()).excerpt
        assert not re.search(r"[`|]|\*\*|---|\]\(", excerpt), section.label


def test_it_answers_with_a_page_and_htmx_with_results_alone() -> None:
    page = Client().get("/docs/search", {"q": "credit pool"}).text
    part = Client().get("/docs/search", {"q": "credit pool"}, headers={"HX-Request": "true"})
    assert "<html" in page
    assert "<html" not in part.text
    assert "HX-Request" in part.headers["Vary"]
    assert re.search(r'href="/docs/[a-z-]+#[a-z0-9-]+"', part.text)
    assert "<mark>" in part.text
    assert part.text.strip() in page


def test_an_emptied_question_leaves_nothing() -> None:
    assert Client().get("/docs/search", {"q": "  "}, headers={"HX-Request": "true"}).content == b""
    assert "Type a few words" in Client().get("/docs/search").text


@pytest.mark.parametrize(
    "question", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "zzzzqqqq", "\x00", "🦆" * 5000, "a " * 4000, "%", "(["]
)
def test_no_question_does_harm(question: str) -> None:
    response = Client().get("/docs/search", {"q": question})
    assert response.status_code == 200
    assert "<script>alert" not in response.text
    assert "<img src=x" not in response.text
