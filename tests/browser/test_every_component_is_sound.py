"""Promise: every component in every state is accessible in both themes and keeps to every width, with and without script."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.browser.soundness import assert_never_scrolls_sideways, assert_sound
from tests.browser.watching import Watch

STYLE = "/style"


def test_the_style_page(staff_page: Page) -> None:
    staff_page.goto(STYLE)
    expect(staff_page.get_by_role("heading", level=1)).to_have_text("Style")
    assert_sound(staff_page)


def test_dialogs_menus_toasts_and_the_palette(staff_page: Page) -> None:
    staff_page.goto(STYLE)
    for name in ("Dialog", "Secret dialog", "Confirmation"):
        staff_page.get_by_role("button", name=name, exact=True).click()
        assert_sound(staff_page, widths=(320, 1280))
        staff_page.evaluate("document.querySelector('dialog:modal').close()")
    staff_page.get_by_role("button", name="Menu", exact=True).click()
    assert_sound(staff_page, widths=(320, 1280))
    staff_page.keyboard.press("Escape")
    staff_page.keyboard.press("Control+k")
    expect(staff_page.locator("#palette").get_by_role("option").first).to_be_visible()
    assert_sound(staff_page, widths=(320, 1280))
    staff_page.keyboard.press("Escape")
    staff_page.get_by_role("button", name="Send messages").click()
    expect(staff_page.get_by_role("region", name="Messages").get_by_text("The card was declined")).to_be_visible()
    assert_sound(staff_page, widths=(320, 1280))


def test_the_open_drawer_on_a_phone(open_page: Callable[..., Page], staff: User) -> None:
    page = open_page(user=staff, width=390, height=844)
    page.goto(STYLE)
    page.get_by_role("button", name="Open menu").click()
    expect(page.get_by_role("complementary", name="Main")).to_be_visible()
    assert_sound(page, widths=())


def test_alpine_works_under_the_policy(staff_page: Page) -> None:
    staff_page.goto(STYLE)
    icons = staff_page.get_by_role("list", name="Icons").get_by_role("listitem")
    assert icons.count() > 20
    staff_page.get_by_label("Find an icon").fill("palette")
    expect(icons).to_have_count(1)


def test_it_reads_without_script(open_page: Callable[..., Page], staff: User) -> None:
    page = open_page(user=staff, java_script_enabled=False)
    page.goto(STYLE)
    expect(page.get_by_role("region", name="curl example")).to_be_visible()
    expect(page.get_by_role("region", name="Python example")).to_be_hidden()
    page.get_by_text("Python", exact=True).click()
    expect(page.get_by_role("region", name="Python example")).to_be_visible()
    expect(page.get_by_role("button", name="Search or jump to")).to_have_count(0)  # it would do nothing


def test_to_others_the_style_page_does_not_exist(visitor: Page, customer_page: Page, watch: Watch) -> None:
    watch.allow("status of 404")
    for page in (visitor, customer_page):
        answer = page.goto(STYLE)
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing at this address")
    assert_sound(visitor)
    assert_never_scrolls_sideways(customer_page)
