"""Promise: a page appears in the theme that was chosen, from its first paint on; without a choice it follows the system."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

LIGHT, DARK = "rgb(250, 250, 250)", "rgb(13, 13, 14)"
GROUND = "() => getComputedStyle(document.documentElement).backgroundColor"
# Remembers the ground's colour at the moment the body comes into being, before anything of it is painted.
AT_FIRST = """new MutationObserver((_, observer) => {
  if (!document.body) return;
  window.groundAtFirst = getComputedStyle(document.documentElement).backgroundColor;
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });"""


@pytest.mark.parametrize(
    ("system", "chosen", "colour"), [("light", "dark", DARK), ("dark", "light", LIGHT), ("dark", None, DARK), ("light", None, LIGHT)]
)
def test_from_the_first_paint(open_page: Callable[..., Page], system: str, chosen: str | None, colour: str) -> None:
    page = open_page(theme=system)
    if chosen:
        page.add_init_script(f"localStorage.setItem('theme', '{chosen}')")
    page.add_init_script(AT_FIRST)
    page.goto("/")
    assert page.evaluate("window.groundAtFirst") == colour
    assert page.evaluate(GROUND) == colour


def test_the_switch_turns_it_and_other_tabs_follow(visitor: Page) -> None:
    other = visitor.context.new_page()
    other.goto("/accounts/login/")
    visitor.goto("/")
    assert visitor.evaluate(GROUND) == LIGHT
    visitor.get_by_role("button", name="Switch theme").click()
    assert visitor.evaluate(GROUND) == DARK
    other.wait_for_function(f"() => getComputedStyle(document.documentElement).backgroundColor === '{DARK}'")
    visitor.goto("/accounts/signup/")
    assert visitor.evaluate(GROUND) == DARK


def test_it_works_where_nothing_may_be_stored(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } })")
    page.goto("/")
    page.get_by_role("button", name="Switch theme").click()
    assert page.evaluate(GROUND) == DARK
    page.get_by_text("Python", exact=True).click()
    expect(page.get_by_role("region", name="Python example")).to_be_visible()
