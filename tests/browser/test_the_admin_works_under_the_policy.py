"""Promise: staff work in Django's admin under the same strict policy as every page, in our colours, light and dark."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from apps.catalog.models import Model
from tests.gateway.customers import new_model


def test_a_model_is_found_edited_and_its_history_read(staff_page: Page) -> None:
    model = new_model(prices={"input": "1", "output": "2"})
    staff_page.goto("/admin/catalog/model/")
    staff_page.locator("#searchbar").fill(model.name)
    staff_page.get_by_role("button", name="Search").click()
    staff_page.get_by_role("link", name=model.name).click()
    staff_page.get_by_label("Description").fill("Edited under the policy.")
    staff_page.get_by_role("button", name="Save", exact=True).click()
    expect(staff_page.get_by_text("was changed successfully")).to_be_visible()
    assert Model.objects.get(pk=model.id).description == "Edited under the policy."


def test_its_own_script_runs(staff_page: Page) -> None:
    new_model(prices={"input": "1", "output": "2"})
    staff_page.goto("/admin/catalog/model/")
    staff_page.get_by_label("Select all objects").check()
    expect(staff_page.locator(".action-counter").first).to_have_text(re.compile(r"^\s*[1-9]"))
    staff_page.locator("#nav-filter").fill("ledger")
    expect(staff_page.locator("#nav-sidebar").get_by_role("link", name="Ledger transactions")).to_be_visible()
    expect(staff_page.locator("#nav-sidebar").get_by_role("link", name="Models")).to_be_hidden()


def test_one_choice_of_theme_holds_for_pages_and_admin(staff_page: Page) -> None:
    staff_page.goto("/style")
    staff_page.locator("#account-menu").evaluate("menu => menu.showPopover()")
    staff_page.get_by_role("radio", name="Dark").check(force=True)
    staff_page.goto("/admin/")
    assert staff_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 19, 20)"
    staff_page.evaluate("localStorage.setItem('theme', 'light')")
    staff_page.reload()
    assert staff_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_others_are_led_to_the_log_in_and_back(visitor: Page) -> None:
    visitor.goto("/admin/catalog/model/")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Log in")
    assert visitor.url.endswith("?next=%2Fadmin%2Fcatalog%2Fmodel%2F")
