"""Promise: what anybody can see is accessible, keeps to every width, loads nothing from elsewhere, and is light."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.soundness import assert_sound


def test_the_start_page(visitor: Page) -> None:
    visitor.goto("/")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Open models on the API you already use.")
    assert_sound(visitor)


def test_the_log_in_page(visitor: Page) -> None:
    visitor.goto("/accounts/login/")
    assert_sound(visitor)
    visitor.get_by_role("button", name="Log in", exact=True).click()
    expect(visitor.get_by_role("alert")).to_be_focused()
    assert_sound(visitor)
