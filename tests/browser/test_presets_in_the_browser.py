"""Promise: a preset is filled in by the controls that its model takes, goes to the pane that people chose, and, as the default, is
what new conversations in the Playground begin with."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.catalog.models import Model
from tests.browser.soundness import assert_sound
from tests.browser.talking import open_playground, pane
from tests.gateway.customers import new_model as offered_model
from tests.presets.samples import new_preset

WIDTHS = (390, 1440)
NOWHERE = "http://127.0.0.1:9/v1"  # nothing is asked of these models


def offered(*parameters: str) -> str:
    """The id of a model on offer that takes these."""
    name = offered_model(NOWHERE).name
    Model.objects.filter(public_id=name).update(supported_sampling_parameters=list(parameters))
    return name


@pytest.mark.timeout(300)
def test_the_default_begins_conversations_and_others_go_to_the_pane_that_was_chosen(customer_page: Page, member: Registered) -> None:
    page, model, other = customer_page, offered("temperature"), offered("temperature")
    new_preset(member.account, "House style", model=model, system_prompt="Be kind.", parameters='{"temperature":0.25}', is_default=True)
    for number in range(21):  # more than the list gives at once unasked
        new_preset(member.account, f"Preset {number}", model=model)
    new_preset(member.account, "Terse", model=other, system_prompt="Be brief.")
    open_playground(page)
    expect(pane(page).locator(".model-pick")).to_have_attribute("title", model)
    expect(pane(page).get_by_text("Begins with the preset “House style”.")).to_be_visible()
    pane(page).get_by_role("button", name="Settings", exact=True).click()
    expect(page.get_by_label("System prompt")).to_have_value("Be kind.")
    expect(page.get_by_role("spinbutton", name="Temperature")).to_have_value("0.25")

    page.get_by_role("button", name="Add model").click()
    page.get_by_role("button", name="Presets").click()
    menu = page.locator("#presets-menu")
    expect(menu.get_by_role("radio", name="Pane 2")).to_be_checked()
    menu.get_by_role("radio", name="Pane 1").check()
    expect(menu.locator("[data-target]")).to_contain_text("Use in pane 1")
    menu.get_by_role("button", name="Terse").click()
    expect(pane(page, 1).locator(".model-pick")).to_have_attribute("title", other)
    expect(page.get_by_text("“Terse” is in use in pane 1.")).to_be_visible()

    # From a preset's page a conversation begins with it, and a reload keeps what was changed since.
    page.goto("/presets/terse")
    page.get_by_role("button", name="Copy link", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/presets/terse")
    page.get_by_role("link", name="Use in Playground").click()
    expect(page.locator(".bench[data-ready]")).to_be_attached()
    expect(pane(page).locator(".model-pick")).to_have_attribute("title", other)
    expect(page).to_have_url(re.compile("/playground$"))


@pytest.mark.timeout(300)
def test_the_form_has_the_controls_of_the_model_and_names_what_another_one_does_not_take(customer_page: Page, member: Registered) -> None:
    page, model, other = customer_page, offered("temperature", "top_k", "stop"), offered("top_k", "seed")
    text = '{"seed":9223372036854775807,"logit_bias":{"50256":-100}}'
    row = new_preset(member.account, "Kept", model=model, parameters=text)
    page.goto("/presets/kept/edit")
    expect(page.locator("form[data-ready]")).to_be_attached()
    assert_sound(page, widths=WIDTHS)
    temperature = page.get_by_role("spinbutton", name="Temperature")
    temperature.fill("9")
    expect(page.get_by_text("Temperature must be at most 2.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(temperature).to_be_focused()
    temperature.fill("0.5")
    page.get_by_role("textbox", name="Stop sequences").fill("END\\n")
    expect(page.locator("[data-misfit=seed]")).to_have_text(re.compile("Seed is not taken by this model"))

    page.get_by_label("Model", exact=True).select_option(other)
    expect(temperature).to_have_count(0)
    for name in ("temperature", "stop"):
        expect(page.locator(f"[data-misfit={name}]")).to_be_visible()
    assert_sound(page, widths=WIDTHS)
    page.get_by_role("button", name="Remove stop").click()
    expect(page.locator("[data-misfit=stop]")).to_have_count(0)
    page.get_by_role("spinbutton", name="Top K").fill("40")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It counts from the next request on.")).to_be_visible()
    row.refresh_from_db()
    assert row.model == other
    assert row.parameters == '{"seed":9223372036854775807,"logit_bias":{"50256":-100},"temperature":0.5,"top_k":40}'
