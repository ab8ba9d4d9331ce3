"""Promise: the documentation is found by typing, read on any screen, and its samples are copied, without a log-in and without a script of others."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.soundness import assert_sound


def test_a_reader_searches_reads_and_copies(visitor: Page) -> None:
    visitor.goto("/docs")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Introduction")
    visitor.keyboard.press("/")
    search = visitor.get_by_role("searchbox")
    expect(search).to_be_focused()
    search.press_sequentially("claude co")
    found = visitor.get_by_role("link", name=re.compile("^Claude Code"))
    expect(found.nth(1)).to_be_visible()
    expect(visitor.get_by_role("article")).to_be_hidden()
    assert_sound(visitor, widths=(390, 1440))
    search.press("Escape")
    expect(visitor.get_by_role("article")).to_be_visible()
    search.fill("api key header")
    visitor.locator("#docs-results a").first.click()
    expect(visitor).to_have_url(re.compile(r"/docs/[a-z-]+#[a-z0-9-]+$"))
    visitor.goto("/docs/quick-start")
    visitor.get_by_role("button", name="Copy code").first.click()
    expect(visitor.locator("#announcements")).to_have_text("Copied")
    assert visitor.evaluate("navigator.clipboard.readText()") == "make run"
    assert_sound(visitor)


def test_on_a_phone_the_tree_is_a_drawer(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390)
    page.goto("/docs/parameters")
    tree = page.get_by_role("complementary", name="Documentation")
    expect(tree).to_be_hidden()
    page.get_by_role("button", name="Pages").click()
    expect(tree).to_be_visible()
    assert_sound(page, widths=(390,))
    tree.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    page.get_by_text("On this page").first.click()
    page.get_by_role("link", name="Limits of a key").first.click()
    expect(page).to_have_url(re.compile("/docs/api-keys#limits-of-a-key$"))
