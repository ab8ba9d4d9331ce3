"""Promise: keys are made, watched, edited, regenerated and revoked in the browser; each change counts at the next request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.api_keys.actions import Limits, create_key
from apps.api_keys.models import ApiKey, Scope
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.core.ids import uuid7
from tests.browser.soundness import assert_sound
from tests.browser.watching import Watch, page_settled
from tests.fakes import FakeBackend
from tests.gateway.calls import ask, offer, open_stream
from tests.gateway.customers import TestModel
from tests.gateway.processes import GatewayProcess

pytest_plugins = ["tests.fakes.fixtures"]

KEYS = "/settings/api-keys"
WIDTHS = (320, 1440)


@pytest.fixture
def model(backend: FakeBackend, site: GatewayProcess, member: Registered) -> TestModel:
    grant_credit(member.account.pk, 10**9, PoolKind.PROMOTION, f"test:{uuid7()}")
    return offer(site, backend.base_url)


@pytest.mark.timeout(300)
def test_the_life_of_a_key(
    customer_page: Page, member: Registered, model: TestModel, site: GatewayProcess, backend: FakeBackend, watch: Watch
) -> None:
    watch.allow("status of 422")
    page = customer_page
    page.goto(KEYS)
    page_settled(page)
    expect(page.get_by_text("No API keys yet")).to_be_visible()

    page.get_by_role("link", name="New key").click()
    dialog = page.get_by_role("dialog", name="New API key")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_text("Limits and expiry").click()
    dialog.get_by_label("Requests per minute").fill("0")
    dialog.get_by_role("button", name="90 days").click()
    expect(dialog.locator("#id_expires_at_helptext")).to_contain_text("T00:00:00Z")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_be_focused()
    expect(dialog.get_by_label("Requests per minute")).to_have_value("0")  # what was typed stays
    assert_sound(page, widths=WIDTHS)
    dialog.get_by_label("Name").fill("production")
    dialog.get_by_label("Requests per minute").fill("2")
    dialog.get_by_role("button", name="Create key").click()

    shown = page.get_by_role("dialog", name="Save your key now")
    secret = shown.locator("#created-secret").inner_text()
    assert_sound(page, widths=WIDTHS)
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()  # not by accident
    shown.get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    expect(shown.get_by_role("button", name="Done")).to_be_disabled()
    shown.get_by_label("I saved it").check()
    shown.get_by_role("button", name="Done").click()
    expect(shown).to_be_hidden()
    assert secret not in page.content()
    expect(page.get_by_role("row", name="production")).to_contain_text("Active")

    # The meters move while the key works.
    backend.reply(chunks=["a", "b", "c"])
    gate = backend.gate("before_chunk:1")
    with open_stream(site, secret, model.name) as stream:
        gate.wait_reached()
        expect(page.get_by_role("row", name="production")).to_contain_text("1 of 32")
        page.get_by_role("link", name="production").click()
        expect(page.locator("#key-minute")).to_contain_text("1 open now")
        gate.release()
        stream.read()
    expect(page.locator("#key-minute")).to_contain_text("Idle")
    assert_sound(page, widths=WIDTHS)

    # An edit counts at the next request.
    assert ask(site, secret, model.name).status == 200
    assert ask(site, secret, model.name).status == 429
    page.get_by_label("Requests per minute").fill("50")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It counts from the next request on.")).to_be_visible()
    assert ask(site, secret, model.name).status == 200

    # A new key takes the place of the old one at once.
    page.get_by_role("button", name="Regenerate").click()
    asking = page.get_by_role("dialog", name="Regenerate “production”?")
    expect(asking).to_contain_text(f"akml-…{secret[-4:]}")
    expect(asking.get_by_role("button", name="Cancel")).to_be_focused()
    asking.get_by_role("button", name="Regenerate key").click()
    successor = shown.locator("#created-secret").inner_text()
    assert successor != secret
    assert [ask(site, key, model.name).status for key in (secret, successor)] == [401, 200]
    shown.get_by_label("I saved it").check()
    shown.get_by_role("button", name="Done").click()
    row = ApiKey.objects.get(account=member.account, revoked_at=None)
    expect(page).to_have_url(f"{site.url}{KEYS}/{row.pk}")
    page.reload()
    assert successor not in page.content()

    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog", name="Revoke “production”?").get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("“production” is revoked.")).to_be_visible()
    assert ask(site, successor, model.name).status == 401


def test_long_and_odd_names_many_keys_and_every_state(customer_page: Page, member: Registered) -> None:
    page = customer_page
    create_key(member.account, "W" * 100, Limits(1_000_000, 10**12, 100_000))
    create_key(member.account, "<script>alert(1)</script>", scope=Scope.MANAGEMENT)
    expired = create_key(member.account, "expired")[0]
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=expired.created_at)
    page.goto(KEYS)
    assert_sound(page, widths=(320, 640, 1024, 1440))
    for number in range(60):
        create_key(member.account, f"key {number}")
    page.goto(KEYS)
    expect(page.get_by_role("row")).to_have_count(1 + 50 + 1)  # the head, a page, and the way on
    page.get_by_role("link", name="Load more").click()
    expect(page.get_by_role("row")).to_have_count(1 + 63)
    page.get_by_role("searchbox", name="Search keys").fill("expired")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(f"{page.url.split('?')[0]}?q=expired")
    expect(page.get_by_role("searchbox", name="Search keys")).to_be_focused()
    page.get_by_role("searchbox", name="Search keys").fill("nothing like it")
    expect(page.get_by_text("No key matches “nothing like it”")).to_be_visible()
    page.get_by_role("link", name="Revoked").click()
    expect(page.get_by_text("No key was revoked so far.")).to_be_visible()


def test_keys_can_be_read_without_script(open_page: Callable[..., Page], member: Registered) -> None:
    create_key(member.account, "production", Limits(rpm=60))
    page = open_page(user=member.user, java_script_enabled=False)
    page.goto(KEYS)
    expect(page.get_by_role("row", name="production")).to_contain_text("0 of 60")
    page.get_by_role("link", name="production").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("production")
    page.goto(f"{KEYS}?new")
    expect(page.get_by_role("heading", name="New API key")).to_be_visible()
