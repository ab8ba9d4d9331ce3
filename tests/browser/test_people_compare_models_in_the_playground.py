"""Promise: in the Playground people ask models side by side, stop, ask again, edit, choose between branches, and find all of it again
after a reload; each answer says what it cost and leads to the log."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.catalog.models import Model
from apps.core.ids import uuid7
from tests.browser.soundness import assert_sound
from tests.browser.talking import answers, ask, choose_model, expect_finished, open_playground, pane
from tests.browser.watching import Watch
from tests.fakes import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import TestModel
from tests.gateway.processes import GatewayProcess

pytest_plugins = ["tests.fakes.fixtures"]
WIDTHS = (320, 390, 1024, 1440)


@pytest.fixture
def model(backend: FakeBackend, site: GatewayProcess, member: Registered) -> TestModel:
    grant_credit(member.account.pk, 10**9, PoolKind.PROMOTION, f"test:{uuid7()}")
    offered = offer(site, backend.base_url)
    Model.objects.filter(public_id=offered.name).update(supported_sampling_parameters=["temperature", "max_tokens", "stop"])
    return offered


@pytest.mark.timeout(300)
def test_compare_stop_again_edit_and_come_back(customer_page: Page, model: TestModel, site: GatewayProcess, backend: FakeBackend) -> None:
    page, other = customer_page, offer(site, backend.base_url)
    open_playground(page, f"?model={model.name}")
    assert_sound(page, widths=WIDTHS)
    page.get_by_role("button", name="Add model").click()
    choose_model(page, other.name, 2)
    backend.reply("First **answer**", completion_tokens=2)
    ask(page, "A question for both")
    for number in (1, 2):
        expect_finished(page, number)
        expect(answers(page, number).locator("strong")).to_have_text("answer")
        expect(answers(page, number).locator(".stats-line")).to_contain_text(re.compile(r"2 tokens.*\$0\.\d+.*to first token"))
    assert {record.json["model"] for record in backend.requests} == {model.upstream, other.upstream}

    # Each pane has settings of its own.
    pane(page, 1).get_by_role("button", name="Settings", exact=True).click()
    settings = page.get_by_role("region", name="Settings of pane 1")
    settings.get_by_label("System prompt").fill("Be brief.")
    settings.get_by_role("spinbutton", name="Temperature").fill("9")
    expect(settings.get_by_text("Temperature must be at most 2.")).to_be_visible()
    settings.get_by_role("spinbutton", name="Temperature").fill("0.5")
    assert_sound(page, widths=WIDTHS)
    settings.get_by_role("button", name="Close settings").click()
    backend.reply("Again")
    asked = len(backend.requests)
    answers(page, 1).get_by_role("button", name="Generate again").click()
    expect(answers(page, 1).locator(".answer")).to_have_text("Again")
    expect_finished(page, 1)
    assert len(backend.requests) == asked + 1
    request = backend.last.json
    assert request["temperature"] == 0.5
    assert request["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A question for both"}]

    # Both answers stay, as branches; so does what was asked before an edit.
    branches = answers(page, 1).get_by_role("group", name="Branches")
    expect(branches).to_have_text("2/2")
    branches.get_by_role("button", name="Earlier branch").click()
    expect(answers(page, 1).locator(".answer")).to_have_text("First answer")
    question = pane(page, 1).locator(".message.user")
    question.hover()
    question.get_by_role("button", name="Edit message").click()
    page.get_by_role("textbox", name="Edit message").fill("An edited question")
    page.get_by_role("textbox", name="Edit message").press("Control+Enter")
    expect(answers(page, 1).locator(".answer")).to_have_text("Again")
    expect_finished(page, 1)
    expect(pane(page, 1).locator(".message.user .branches")).to_have_text("2/2")
    assert backend.last.json["messages"][-1] == {"role": "user", "content": "An edited question"}
    expect(pane(page, 2).locator(".message.user .you")).to_have_text("A question for both")

    # An answer can be edited as well: the model then goes on from the new one.
    answers(page, 1).get_by_role("button", name="Edit answer").click()
    page.get_by_role("textbox", name="Edit answer").fill("Better")
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith("/messages")) as saved:
        page.get_by_role("textbox", name="Edit answer").press("Control+Enter")
    assert saved.value.ok  # at once, not with the next run
    expect(answers(page, 1).locator(".answer")).to_have_text("Better")
    expect(answers(page, 1).locator(".stats-line")).to_contain_text("Edited")
    expect(answers(page, 1).locator(".branches")).to_have_text("2/2")
    assert_sound(page, widths=WIDTHS)
    answers(page, 1).get_by_role("button", name="Continue from here").click()
    expect(answers(page, 1)).to_have_count(2)
    expect_finished(page, 1)
    assert backend.last.json["messages"][-1] == {"role": "assistant", "content": "Better"}

    # What is stopped stays, and ends at the backend.
    gate = backend.gate("before_chunk:2")
    backend.reply(chunks=["half ", "an ", "answer"])
    ask(page, "A long one")
    gate.wait_reached(2)
    expect(answers(page, 1).last.locator(".answer")).to_have_text("half an")
    page.get_by_role("button", name="Stop", exact=True).click()
    backend.wait_for(lambda: backend.open == 0)
    gate.release()
    expect_finished(page, 1)
    expect(answers(page, 1).last.locator(".stats-line")).to_contain_text("Stopped")

    # All of it is there after a reload, with what was being written.
    with page.expect_response(lambda answer: answer.request.method == "PATCH" and "A draft" in (answer.request.post_data or "")):
        page.get_by_label("Message", exact=True).fill("A draft")
    page.reload()
    expect(page.get_by_label("Message", exact=True)).to_have_value("A draft")
    expect(answers(page, 1)).to_have_count(3)
    expect(answers(page, 1).first.locator(".answer")).to_have_text("Better")
    expect(answers(page, 1).last.locator(".answer")).to_have_text("half an")
    expect(page.get_by_role("heading", level=1)).to_have_text("A question for both")
    # The edited question is a branch of its pane alone.
    expect(pane(page, 1).locator(".message.user").first.locator(".branches")).to_have_text("2/2")
    expect(answers(page, 2)).to_have_count(2)
    expect(pane(page, 2).locator(".message.user .branches")).to_have_count(0)
    page.get_by_role("button", name="View code").click()
    code = page.get_by_role("dialog", name="View code")
    expect(code.get_by_role("region", name="curl")).to_contain_text("An edited question")
    expect(code.get_by_role("region", name="curl")).to_contain_text("$AKASHML_API_KEY")
    assert_sound(page, widths=WIDTHS)
    page.keyboard.press("Escape")
    answers(page, 1).last.get_by_title("Open this inference in the log").click()
    expect(page).to_have_url(re.compile("/inferences/"))


@pytest.mark.timeout(300)
def test_pictures_tools_and_errors_say_what_to_do(
    customer_page: Page, model: TestModel, member: Registered, site: GatewayProcess, backend: FakeBackend, watch: Watch
) -> None:
    page = customer_page
    Model.objects.filter(public_id=model.name).update(
        supported_features=["chat", "streaming", "tools", "vision"], input_modalities=["text", "image"]
    )
    open_playground(page, f"?model={model.name}")
    # A picture that is pasted goes along as it is.
    page.get_by_label("Message", exact=True).evaluate(PASTE)
    expect(page.get_by_role("img", name="Picture 1")).to_be_visible()
    backend.reply(tool_calls=[{"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris"}'}])
    ask(page, "What is on it?")
    expect_finished(page)
    kinds = [part["type"] for part in backend.last.json["messages"][-1]["content"]]
    assert kinds == ["text", "image_url"]
    # One that is dropped is in the next message; what is no picture is refused by name.
    page.locator(".bench-main").evaluate(DROP, ["notes.txt", "text/plain"])
    expect(page.get_by_text("“notes.txt” is not a PNG, JPEG, WebP or GIF picture.")).to_be_visible()
    page.locator(".bench-main").evaluate(DROP, ["dot.png", "image/png"])
    expect(page.get_by_role("img", name="Picture 1")).to_be_visible()
    page.get_by_role("button", name="Remove picture 1").click()
    # The call of a tool is answered by hand.
    expect(answers(page).locator(".tool-call")).to_contain_text("get_weather")
    assert_sound(page, widths=WIDTHS)
    backend.reply("It is warm")
    page.get_by_label("Result of get_weather").fill('{"celsius": 25}')
    page.get_by_role("button", name="Send result").click()
    expect(answers(page).last.locator(".answer")).to_have_text("It is warm")
    assert backend.last.json["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius": 25}'}
    expect_finished(page)

    # A backend that fails: in words, and once more.
    backend.refuse()
    ask(page, "And tomorrow?")
    failed = answers(page).last.get_by_role("alert")
    expect(failed).to_be_visible()
    backend.accept()
    backend.reply("Rain")
    failed.get_by_role("button", name="Try again").click()
    expect(answers(page).last.locator(".answer")).to_have_text("Rain")
    assert_sound(page, widths=WIDTHS)


@pytest.mark.timeout(120)
def test_who_has_no_credit_is_led_to_where_it_is_added(customer_page: Page, site: GatewayProcess, backend: FakeBackend) -> None:
    page, model = customer_page, offer(site, backend.base_url)
    open_playground(page, f"?model={model.name}")
    ask(page, "For nothing?")
    refused = answers(page).last.get_by_role("alert")
    expect(refused.get_by_role("link", name="Add credit")).to_have_attribute("href", "/settings/billing")
    assert_sound(page, widths=WIDTHS)
    assert not backend.requests


# A red dot of one pixel.
DOT = 'Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="), (c) => c.charCodeAt(0))'
# As a clipboard holds it.
PASTE = f"""(area) => {{
  const data = new DataTransfer();
  data.items.add(new File([{DOT}], "dot.png", {{ type: "image/png" }}));
  area.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData: data, bubbles: true, cancelable: true }}));
}}"""
# As a hand that drags it over the page and lets it go.
DROP = f"""(place, [name, type]) => {{
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([{DOT}], name, {{ type }}));
  for (const kind of ["dragover", "drop"]) place.dispatchEvent(new DragEvent(kind, {{ dataTransfer, bubbles: true, cancelable: true }}));
}}"""
