"""Promise: navigation, account menu, drawer, dialogs and the command palette are used by keyboard alone, and focus is never lost."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.browser.watching import page_settled
from tests.gateway.customers import new_model
from tests.gateway.waiting import wait_for

STYLE = "/style"


def open_style(page: Page) -> None:
    page.goto(STYLE)
    page_settled(page)
    page.evaluate("document.activeElement.blur()")


def test_the_first_stop_skips_to_the_content(customer_page: Page, visitor: Page) -> None:
    for page, address in ((customer_page, "/accounts/email/"), (visitor, "/")):
        page.goto(address)
        page_settled(page)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()


def test_the_account_menu(staff_page: Page, staff: User) -> None:
    open_style(staff_page)
    button = staff_page.get_by_role("button", name=staff.email)
    button.press("Enter")
    expect(staff_page.get_by_role("link", name="Admin site")).to_be_visible()
    staff_page.keyboard.press("ArrowDown")
    expect(staff_page.get_by_role("radio", name="As the system")).to_be_focused()
    staff_page.keyboard.press("Tab")
    staff_page.keyboard.press("Escape")
    expect(staff_page.get_by_role("link", name="Admin site")).to_be_hidden()
    expect(button).to_be_focused()
    button.press("Enter")
    expect(staff_page.get_by_role("link", name="Admin site")).to_be_visible()
    for _ in range(7):  # on to the content: the menu is left behind closed
        staff_page.keyboard.press("Tab")
    expect(staff_page.get_by_role("link", name="Admin site")).to_be_hidden()


def test_logging_out(staff_page: Page, staff: User) -> None:
    open_style(staff_page)
    staff_page.get_by_role("button", name=staff.email).press("Enter")
    staff_page.get_by_role("button", name="Log out").press("Enter")
    staff_page.wait_for_url("**/")
    assert staff_page.request.get("/palette").status == 401


def test_the_drawer_opens_and_closes(open_page: Callable[..., Page], staff: User) -> None:
    page = open_page(user=staff, width=390, height=844)
    open_style(page)
    menu, drawer = page.get_by_role("button", name="Open menu"), page.locator("#sidebar")
    expect(drawer).to_be_hidden()
    menu.press("Enter")
    expect(drawer).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#sidebar') !== null")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(menu).to_be_focused()


def test_a_dialog_holds_the_focus_and_gives_it_back(staff_page: Page) -> None:
    open_style(staff_page)
    opener = staff_page.get_by_role("button", name="Dialog", exact=True)
    opener.press("Enter")
    dialog = staff_page.get_by_role("dialog", name="New key")
    expect(dialog.get_by_label("Name")).to_be_focused()
    for _ in range(8):
        staff_page.keyboard.press("Tab")
        assert staff_page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
    staff_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_dialog_that_must_be_answered_does_not_close_by_accident(staff_page: Page) -> None:
    open_style(staff_page)
    staff_page.get_by_role("button", name="Secret dialog").press("Enter")
    dialog = staff_page.get_by_role("dialog", name="Save your key now")
    for _ in range(3):
        staff_page.keyboard.press("Escape")
    staff_page.mouse.click(5, 5)
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Done")).to_be_disabled()
    dialog.get_by_role("button", name="Copy").press("Enter")
    expect(staff_page.locator("#announcements")).to_have_text("Copied")
    assert staff_page.evaluate("navigator.clipboard.readText()") == "akml-EXAMPLE0a1b2c3d4e5f6g7h8i4Vb"
    dialog.get_by_label("I saved it").press("Space")
    dialog.get_by_role("button", name="Done").press("Enter")
    expect(dialog).to_be_hidden()


def test_the_palette_jumps_to_a_page(staff_page: Page) -> None:
    open_style(staff_page)
    staff_page.keyboard.press("Control+k")
    box = staff_page.get_by_role("combobox", name="Search and jump")
    expect(box).to_be_focused()
    expect(staff_page.locator("#palette").get_by_role("option", name="Dashboard")).to_be_visible()
    staff_page.keyboard.type("backends")  # one of its other names
    expect(staff_page.locator("#palette").get_by_role("option")).to_have_count(1)
    staff_page.keyboard.press("Enter")
    staff_page.wait_for_url("**/admin/")


def test_the_palette_finds_models_and_says_when_it_finds_nothing(staff_page: Page) -> None:
    new_model(prices={"input": "1", "output": "2"})  # the list of a process may be ten seconds old: this one or an earlier test's
    wait_for(lambda: "tests/model-" in staff_page.request.get("/palette").text(), 15, "a model in the palette")
    [name, *_] = re.findall(r"tests/model-\w+", staff_page.request.get("/palette").text())
    open_style(staff_page)
    staff_page.keyboard.press("Control+k")
    staff_page.keyboard.type(name.removeprefix("tests/"))
    option = staff_page.locator("#palette").get_by_role("option", name=name)
    expect(option).to_have_attribute("aria-selected", "true")
    staff_page.keyboard.press("Enter")
    expect(staff_page.get_by_role("dialog", name="Search and jump")).to_be_hidden()
    assert staff_page.evaluate("navigator.clipboard.readText()") == name
    staff_page.keyboard.press("Control+k")
    staff_page.keyboard.type("zzzz nothing")
    expect(staff_page.get_by_text("Nothing is called that.")).to_be_visible()
    expect(staff_page.locator("#palette").get_by_role("option")).to_have_count(0)


def test_the_palette_moves_with_the_arrows_and_around_the_ends(staff_page: Page) -> None:
    open_style(staff_page)
    staff_page.keyboard.press("Control+k")
    options = staff_page.locator("#palette").get_by_role("option")
    expect(options.first).to_have_attribute("aria-selected", "true")
    count = options.count()
    staff_page.keyboard.press("ArrowUp")
    expect(options.nth(count - 1)).to_have_attribute("aria-selected", "true")
    staff_page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
