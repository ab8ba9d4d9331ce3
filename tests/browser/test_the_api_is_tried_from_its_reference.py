"""Promise: the API reference calls the API with one's own key, or as who is logged in, under the site's strict policy."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from tests.browser.soundness import assert_sound
from tests.browser.watching import Watch


def test_a_call_with_a_key_and_one_without(visitor: Page, member: Registered, watch: Watch) -> None:
    watch.allow("status of 401")
    visitor.goto("/docs/api")
    assert_sound(visitor, widths=(390, 1440))
    operation = visitor.locator("#list-models")
    operation.locator("summary").first.click()
    operation.get_by_role("button", name="Send").click()
    expect(operation.get_by_role("status")).to_have_text("Type your key into the field at the top first.")
    visitor.get_by_label("Your API key").fill("akml-wrong")
    operation.get_by_role("button", name="Send").click()
    expect(operation.get_by_role("status")).to_contain_text("401")
    visitor.get_by_label("Your API key").fill(create_key(member.account, "mine")[1])
    operation.get_by_role("button", name="Send").click()
    expect(operation.get_by_role("status")).to_contain_text("200")
    expect(operation.get_by_label("Answer", exact=True)).to_contain_text(re.compile(r'"object": ?"'))
    assert_sound(visitor, widths=(390, 1440))


def test_who_is_logged_in_needs_no_key(customer_page: Page) -> None:
    customer_page.goto("/docs/api#create-key")
    operation = customer_page.locator("#create-key")  # the address opened it
    customer_page.on("dialog", lambda dialog: dialog.accept())
    operation.get_by_role("button", name="Send").click()
    expect(operation.get_by_role("status")).to_contain_text("201")
    expect(operation.get_by_label("Answer", exact=True)).to_contain_text('"name": "ci"')
