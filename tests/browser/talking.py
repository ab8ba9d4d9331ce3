"""The Playground in the browser, as tests use it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

PLAYGROUND = "/playground"


def open_playground(page: Page, query: str = "") -> None:
    page.goto(f"{PLAYGROUND}{query}")
    expect(page.locator(".bench[data-ready]")).to_be_attached()


def pane(page: Page, number: int = 1) -> Locator:
    return page.locator(".chat-pane").nth(number - 1)


def choose_model(page: Page, name: str, number: int = 1) -> None:
    pane(page, number).get_by_role("button", name="Choose another").click()
    picker = page.get_by_role("dialog", name="Choose a model")
    picker.get_by_role("combobox", name="Search models").fill(name)
    picker.get_by_role("listbox").get_by_role("option").first.click()
    expect(pane(page, number).locator(".model-pick")).to_have_attribute("title", name)


def ask(page: Page, text: str) -> None:
    box = page.get_by_label("Message", exact=True)
    box.fill(text)
    box.press("Enter")


def answers(page: Page, number: int = 1) -> Locator:
    return pane(page, number).locator(".message.assistant")


def expect_finished(page: Page, number: int = 1) -> None:
    """The pane's last answer has ended, whichever way."""
    expect(answers(page, number).last.locator(".stats-line")).to_be_visible()
    expect(page.locator("[data-send]")).to_have_attribute("aria-label", re.compile("^Send$"))
