"""The guide's pages can be read, followed and copied from."""

import json
import re

import pytest

from apps.docs_assistant.app import GUIDE
from apps.docs_assistant.markdown import parse

PAGES = sorted(GUIDE.glob("*.md"))
EXPECTED = {
    "introduction",
    "quick-start",
    "account-and-security",
    "api-keys",
    "credits-and-billing",
    "errors-and-rate-limits",
    "openai-sdk",
    "claude-code",
    "anthropic-sdk",
    "models",
    "parameters",
    "inferences",
    "presets",
    "self-hosting",
    "playground",
}
STATUSES = {400, 401, 402, 403, 404, 405, 408, 413, 415, 422, 429, 500, 502, 503, 504, 529}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def code(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def test_all_pages_are_there():
    assert {page.stem for page in PAGES} >= EXPECTED


@each_page
def test_a_page_starts_with_its_title_and_has_text(page):
    assert re.match(r"# \S.*\n\n", page.read_text())
    assert parse(page.stem, page.read_text())


@each_page
def test_links_lead_to_pages_that_exist(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert target.startswith("/docs/"), target
        assert (GUIDE / f"{target.removeprefix('/docs/')}.md").is_file(), target


@each_page
def test_samples_are_well_formed(page):
    for sample in code(page, "python"):
        compile(sample, page.name, "exec")
    for sample in code(page, "json"):
        json.loads(sample)
    for sample in code(page, "bash"):
        for body in re.findall(r"-d '(.*?)'", sample, re.DOTALL):
            json.loads(body)


def test_every_status_is_explained():
    listed = re.findall(r"^\| (\d{3}) \| ", (GUIDE / "errors-and-rate-limits.md").read_text(), re.MULTILINE)
    assert {int(status) for status in listed} == STATUSES
