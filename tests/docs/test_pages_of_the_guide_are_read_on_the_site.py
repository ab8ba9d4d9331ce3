"""Promise: every page of docs/site is read at /docs, by everybody: with its tree, anchors, neighbours and date, and never with HTML of its own."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from unittest import mock

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.dashboard.docs import library, tree
from apps.dashboard.docs.markdown import render

PAGES = sorted(library.FOLDER.glob("*.md"))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_the_tree_has_every_page_once() -> None:
    assert sorted(leaf.slug for branch in tree.GUIDE for leaf in branch.leaves) == [page.stem for page in PAGES]


def test_the_tree_calls_pages_as_they_call_themselves() -> None:
    for leaf in (leaf for branch in tree.GUIDE for leaf in branch.leaves):
        assert library.document(leaf.slug).title == leaf.title


@each_page
def test_a_page_shows_all_its_text_with_anchors_and_neighbours(page: Path) -> None:
    source = page.read_text()
    with CaptureQueriesContext(connection) as queries:
        response = Client().get(f"/docs/{page.stem}")
    assert response.status_code == 200
    assert not queries.captured_queries
    text = response.text
    fences = re.findall(r"^ *```.*$", source, re.MULTILINE)
    headings = re.findall(r"^#{2,4} (.+)$", re.sub(r"^```.*?^```$", "", source, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    shown = [unescape(re.sub(r"<[^>]+>", "", heading)).strip() for heading in re.findall(r'<h[2-4] id="[a-z0-9-]+">(.*?)</h[2-4]>', text)]
    assert shown == [heading.replace("`", "") for heading in headings]
    assert text.count('data-copy-from="code-') == len(fences) // 2
    before, after = tree.neighbours(page.stem)
    assert ('rel="prev"' in text) == (before is not None)
    assert ('rel="next"' in text) == (after is not None)
    assert f'href="/docs/{page.stem}" aria-current="page"' in text


@each_page
def test_ids_on_a_page_are_there_once(page: Path) -> None:
    ids = re.findall(r' id="([^"]+)"', Client().get(f"/docs/{page.stem}").text)
    assert len(ids) == len(set(ids))


def test_who_is_logged_in_reads_the_same_and_finds_the_way_back(client_of_a_customer: Client) -> None:
    theirs, everybodys = client_of_a_customer.get("/docs/quick-start"), Client().get("/docs/quick-start")
    assert library.document("quick-start").html in theirs.text
    assert library.document("quick-start").html in everybodys.text
    assert 'href="/dashboard"' in theirs.text
    assert 'href="/accounts/signup/"' in everybodys.text
    assert theirs.headers["Cache-Control"] == "private, no-cache"
    assert everybodys.headers["Cache-Control"].startswith("public")


def test_the_start_of_the_docs_is_the_first_page() -> None:
    assert Client().get("/docs", follow=True).redirect_chain[-1][0] == f"/docs/{tree.LEAVES[0].slug}"


@pytest.mark.parametrize("slug", ["nothing", "..", "../operations", "%2e%2e%2foperations", "introduction.md", "README"])
def test_nothing_else_is_read_from_disk(slug: str) -> None:
    assert Client().get(f"/docs/{slug}").status_code == 404


@pytest.mark.parametrize(
    "source",
    [
        "# A\n\n<script>alert(1)</script>\n",
        "# A\n\ntext <img src=x onerror=alert(1)> text\n",
        "# <b onclick=x>A</b>\n\n## <svg onload=alert(1)>\n",
        "# A\n\n[x](javascript:alert(1)) [y](vbscript:x) [z](data:text/html;base64,PHNjcmlwdD4=)\n",
        "# A\n\n`<script>` and\n\n```html\n<script>alert(1)</script>\n```\n\n    <script>alert(2)</script>\n",
        '# A\n\n```"><script>alert(1)</script>\nx\n```\n',
        "# A\n\n| <script> | b |\n|:--|--:|\n| <img onerror=x> | c |\n",
        '# A\n\n[a](/docs/x "\\"><script>alert(1)</script>")\n',
    ],
)
def test_html_in_a_page_is_text(source: str) -> None:
    shown = render(source).html
    tags = set(re.findall(r"<([a-z0-9]+)", shown))
    assert not tags & {"script", "img", "b", "iframe", "style"}
    assert not re.search(r"<[^>]+\s(?:on\w+|style)=", re.sub(r'"[^"]*"', '""', shown))
    assert not re.search(r'href="(?!#|/|https?:|mailto:)', shown)


def test_same_headings_have_different_anchors() -> None:
    document = render("# A\n\n## Same\n\n### Same\n\n## Same `code`\n\n## 日本\n\n## 日本\n")
    assert [heading.anchor for heading in document.headings] == ["same", "same-2", "same-code", "section", "section-2"]
    assert document.title == "A"


def test_samples_name_the_installation_that_shows_them() -> None:
    assert f"{settings.API_BASE_URL}/anthropic" in library.document("anthropic-sdk").html
    with mock.patch.object(settings, "API_BASE_URL", "https://api.example.com"):
        library._rendered.cache_clear()
        shown = library.document("openai-sdk").html
    library._rendered.cache_clear()
    assert "https://api.example.com/v1" in shown
    assert "127.0.0.1:8000/v1" not in shown


def test_an_edited_page_is_shown_anew(tmp_path: Path) -> None:
    page = tmp_path / "introduction.md"
    with mock.patch.object(library, "FOLDER", tmp_path):
        page.write_text("# Before\n\nold words\n")
        assert "old words" in Client().get("/docs/introduction").text
        page.write_text("# After\n\nnew words\n")
        assert "new words" in Client().get("/docs/introduction").text
    library._rendered.cache_clear()


class TestDates:
    @pytest.fixture(autouse=True)
    def _asked_anew(self) -> object:
        library._changes.cache_clear()
        yield
        library._changes.cache_clear()

    def test_git_is_asked_once_a_process(self) -> None:
        told = subprocess.CompletedProcess(
            [], 0, "\x002026-11-20T10:00:00+00:00\n\ndocs/site/usage.md\n\x002026-11-01T10:00:00+00:00\n\ndocs/guide/usage.md\n"
        )
        with mock.patch.object(subprocess, "run", return_value=told) as git:
            assert "20 Nov 2026" in Client().get("/docs/usage").text
            assert "Last changed" not in Client().get("/docs/models").text
        assert git.call_count == 1
        assert library.changed("usage") == datetime(2026, 11, 20, 10, tzinfo=UTC)

    @pytest.mark.parametrize("fault", [FileNotFoundError, subprocess.CalledProcessError(128, "git"), subprocess.TimeoutExpired("git", 10)])
    def test_without_a_repository_the_date_is_left_out(self, fault: Exception) -> None:
        with mock.patch.object(subprocess, "run", side_effect=fault):
            response = Client().get("/docs/usage")
        assert response.status_code == 200
        assert "Last changed" not in response.text

    def test_moving_a_page_is_no_change(self, tmp_path: Path) -> None:
        def git(*words: str) -> None:
            subprocess.run(
                ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words], cwd=tmp_path, check=True, capture_output=True
            )

        old, new = tmp_path / "docs" / "guide", tmp_path / "docs" / "site"
        old.mkdir(parents=True)
        (old / "usage.md").write_text("# Usage\n\nsome words\n" * 9)
        git("init")
        git("add", ".")
        git("commit", "-m", "write", "--date", "2026-01-02T00:00:00+00:00")
        with mock.patch.object(settings, "BASE_DIR", tmp_path):
            written = library.changed("usage")
            git("mv", "docs/guide", "docs/site")
            git("-c", "core.hooksPath=/dev/null", "commit", "-m", "move")
            assert new.is_dir()
            library._changes.cache_clear()
            assert written is not None
            assert library.changed("usage") == written
