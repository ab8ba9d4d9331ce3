"""Promise: a newcomer signs up in the browser and makes a first API call, by keyboard alone and reading nothing but the page, which
turns green by itself."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.accounts.queries import account_by_email
from apps.api_keys.actions import create_key
from apps.billing.credits import balance
from apps.catalog.actions import save_backend, save_model
from apps.catalog.models import Model
from apps.catalog.queries import BUILT_IN_MODEL
from apps.usage.models import Inference, Status
from tests.browser.mailbox import code_for
from tests.browser.soundness import assert_sound
from tests.browser.watching import page_settled
from tests.fakes import FakeBackend
from tests.gateway.calls import wait_until_known
from tests.gateway.customers import TestModel
from tests.gateway.processes import GatewayProcess
from tests.people import new_email

pytest_plugins = ["tests.fakes.fixtures"]

PASSWORD = "correct horse battery"
WIDTHS = (320, 1440)


@pytest.fixture
def built_in_model(backend: FakeBackend, site: GatewayProcess) -> Iterator[FakeBackend]:
    """The model that a first call goes to, with a backend whose answers the test knows; gone again afterwards."""
    backend.reply("Nothing. It is not charged.", prompt_tokens=40, completion_tokens=9)
    model, _ = save_model(BUILT_IN_MODEL, {"is_active": True}, {"input_pico": 50_000, "output_pico": 200_000})
    save_backend(model, backend.base_url, {"upstream_model": "assistant"})
    wait_until_known(site, TestModel(model.pk, BUILT_IN_MODEL, "assistant", ()))
    yield backend
    Model.objects.filter(pk=model.pk).update(is_active=False)


def press(page: Page, name: str, role: str = "button") -> None:
    """Tabs on to a control and presses Enter, as somebody without a mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText?.trim()") == name:
            expect(page.get_by_role(role, name=name)).to_be_focused()  # type: ignore[arg-type]
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"60 presses of Tab do not reach {name!r}")


def shown_command(page: Page) -> str:
    """What the copy button of the visible sample puts on the clipboard."""
    page.locator("#first-call").get_by_role("button", name="Copy code").click()
    return str(page.evaluate("navigator.clipboard.readText()"))


@pytest.mark.timeout(300)
def test_from_sign_up_to_the_first_answer_by_keyboard(visitor: Page, built_in_model: FakeBackend) -> None:
    page, email = visitor, new_email()
    page.goto("/")
    press(page, "Get a key", "link")
    page.wait_for_url("**/accounts/signup/**")
    page.get_by_role("textbox", name="Email").focus()
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(code_for(email))
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard")
    page_settled(page)
    expect(page.get_by_text("$5.00, until")).to_be_visible()

    press(page, "Create key")
    expect(page.get_by_role("heading", level=1)).to_have_text("Make your first call")
    expect(page.get_by_text("Waiting for the first call")).to_be_visible()
    assert_sound(page, widths=WIDTHS)
    done = subprocess.run(["bash", "-c", shown_command(page)], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.rstrip().endswith("data: [DONE]")

    expect(page.get_by_text("40 tokens in, 9 out")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are set up")
    expect(page.get_by_role("img", name="5 of 5 steps done")).to_be_visible()
    expect(page.locator("#first-secret")).to_be_visible()  # what is shown once stays until they go
    assert_sound(page, widths=WIDTHS)
    account = account_by_email(email)
    assert account is not None
    [row] = Inference.objects.filter(account_id=account.pk)
    assert (row.status, row.prompt_tokens, row.completion_tokens) == (Status.COMPLETED, 40, 9)
    assert balance(account.pk).remaining == 5 * 10**9 - row.charged
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    press(page, "Go to the dashboard", "link")
    expect(page.get_by_role("heading", name="Last inferences")).to_be_visible()
    expect(page.get_by_text("my-first-key").first).to_be_visible()
    assert not [url for url in asked if "onboarding/call" in url]  # nobody asks any more
    assert_sound(page, widths=WIDTHS)


def test_the_language_is_remembered_and_a_reload_shows_no_key(customer_page: Page, member: Registered, built_in_model: FakeBackend) -> None:
    page = customer_page
    page.goto("/dashboard")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("#first-secret").inner_text()
    for language, start in (
        ("Python", "from openai"),
        ("JavaScript", "import OpenAI"),
        ("Claude Code", "# ORG/MODEL: one that calls tools"),  # the built-in one does not
        ("curl", "curl "),
    ):
        page.get_by_role("radio", name=language).check()
        sample = shown_command(page)
        assert sample.startswith(start)
        assert secret in sample
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as a file").click()
    assert download.value.path().read_text() == f"AKASHML_API_KEY={secret}\n"
    page.get_by_role("radio", name="Python").check()
    page.goto("/dashboard")
    expect(page.locator("#first-call").get_by_role("region", name="Python example")).to_be_visible()
    assert secret not in page.content()
    page.get_by_role("button", name="Fill in a new key").click()
    expect(page.locator("#first-secret")).not_to_have_text(secret)
    page.get_by_role("button", name="Skip for now").click()
    expect(page.get_by_role("heading", name="Last inferences")).to_be_visible()
    page.get_by_role("link", name="Go on where you left off").click()
    expect(page.get_by_text("Waiting for the first call")).to_be_visible()


def test_the_checklist_reads_without_script(open_page: Callable[..., Page], member: Registered, built_in_model: FakeBackend) -> None:
    create_key(member.account, "k")
    page = open_page(user=member.user, java_script_enabled=False)
    page.goto("/dashboard")
    expect(page.locator("#first-call").get_by_role("region", name="curl example")).to_contain_text("$AKASHML_API_KEY")
    assert re.search(r"Four of five|Three of five", page.content())
