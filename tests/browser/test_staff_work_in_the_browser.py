"""Promise: in a browser staff grant credit with a reason that the audit trail shows, see what a price leaves while they type it, and look
at a customer's pages without changing anything."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from apps.billing.credits import balance
from apps.catalog.models import Backend, Model
from tests.browser.watching import Watch
from tests.gateway.customers import new_model
from tests.people import new_customer


def test_credit_is_granted_at_the_desk_and_on_record(staff_page: Page) -> None:
    account = new_customer().account
    staff_page.goto(f"/admin/accounts/account/{account.pk}/desk/")
    staff_page.get_by_role("button", name="Grant credit").first.click()
    dialog = staff_page.locator("dialog[open]")
    dialog.get_by_label("Amount").fill("2.50")
    dialog.get_by_label("Reason").fill("sorry for the outage")
    dialog.get_by_role("button", name="Grant credit").click()
    expect(staff_page.get_by_role("region", name="Audit trail")).to_contain_text("sorry for the outage")
    assert balance(account.pk).remaining == 2_500_000_000


def test_a_price_shows_its_margin_while_it_is_typed(staff_page: Page) -> None:
    model = new_model(prices={"input": "1", "output": "2"})
    row = Model.objects.get(pk=model.id)
    Backend.objects.create(model=row, base_url="http://127.0.0.1:9/v1", upstream_model="m", is_active=False, input_cost_pico=400_000, output_cost_pico=900_000)  # fmt: skip
    staff_page.goto(f"/admin/catalog/model/{model.id}/change/")
    staff_page.get_by_role("button", name="Add another Price").click()
    typed = staff_page.locator("#prices-group .dynamic-prices:not(.has_original)")
    typed.locator("[name$=input_price]").fill("0.2")
    expect(typed.locator(".loss")).to_contain_text("100.0")
    typed.locator("[name$=input_price]").fill("0.8")
    expect(typed.locator(".field-margins")).to_contain_text("input 50.0")
    expect(typed.locator(".loss")).to_have_count(0)


def test_whoever_views_as_a_customer_changes_nothing(staff_page: Page, watch: Watch) -> None:
    watch.allow("status of 403")
    account = new_customer().account
    staff_page.goto(f"/admin/accounts/account/{account.pk}/desk/")
    staff_page.get_by_role("button", name="View as customer").click()
    dialog = staff_page.locator("dialog[open]")
    dialog.get_by_label("Reason").fill("ticket 7")
    dialog.get_by_role("button", name="View", exact=True).click()
    expect(staff_page.get_by_role("button", name="End view")).to_be_visible()
    staff_page.goto("/settings/profile")
    expect(staff_page.get_by_role("heading", level=1)).to_have_text("You only look")
    staff_page.get_by_role("button", name="End view").click()
    expect(staff_page.get_by_role("region", name="Audit trail")).to_contain_text("ticket 7")
