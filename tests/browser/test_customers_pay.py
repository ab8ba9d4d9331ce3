"""Promise: customers add cards, top up, confirm with their bank, are told when a card is declined, and are topped up by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.billing.auto_topup import state_of
from apps.billing.credits import balance, grant_credit
from apps.billing.models import PoolKind
from apps.billing.queries import cards_of
from apps.billing.trial import promise_trial
from apps.catalog.actions import save_backend, save_model
from apps.catalog.models import Model
from apps.core.money import NANO_PER_USD
from tests.browser.soundness import assert_sound
from tests.browser.watching import Watch
from tests.fakes import FakeBackend
from tests.gateway.calls import wait_until_known
from tests.gateway.customers import TestModel
from tests.gateway.processes import GatewayProcess, gateways_running
from tests.servers import ROOT
from tests.simulator import Simulator

pytest_plugins = ["tests.fakes.fixtures"]
pytestmark = [pytest.mark.money, pytest.mark.timeout(300)]

ASKS, DECLINED, SAVED_BUT_DECLINED, GOOD = "4000002760003184", "4000000000000002", "4000000000000341", "4242424242424242"
PATIENCE_S = 60
NARROW_AND_WIDE = (320, 1440)


@pytest.fixture(scope="module")
def stripe_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="module")
def site(stripe_simulator: Simulator) -> Iterator[GatewayProcess]:
    """A site that takes payments, in place of this folder's."""
    with gateways_running(1, SERVE="all", DJANGO_ALLOW_ASYNC_UNSAFE="", **stripe_simulator.environment) as [process]:
        stripe_simulator.ask("webhooks", {"url": f"{process.url}/stripe/webhook/", "first_retry_s": 0.2})
        yield process


@pytest.fixture(scope="module", autouse=True)
def worker(site: GatewayProcess, stripe_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Background work and its clock, as in production."""
    folder = tmp_path_factory.mktemp("worker")
    command = [sys.executable, "-m", "celery", "-A", "akashml", "worker", "-B", "--pool", "solo", "--schedule", str(folder / "beat")]
    environment = os.environ | stripe_simulator.environment | {"DJANGO_ALLOW_ASYNC_UNSAFE": ""}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    yield
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def customer_page(customer_page: Page, watch: Watch, stripe_simulator: Simulator) -> Page:
    watch.allow_host(stripe_simulator.address.removeprefix("http://"))
    watch.allow("status of 402")  # how the simulator's page answers a card that is declined
    watch.allow("status of 422")
    return customer_page


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.1)


def enter_card(page: Page, number: str, button: str) -> None:
    """On Stripe's page."""
    for label, text in (("Card number", number), ("Expiry", "12/34"), ("Security code", "123")):
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name=button).click()


def choose_top_up(page: Page, amount: str, way: str = "A card") -> None:
    page.goto("/settings/billing?top-up")
    dialog = page.get_by_role("dialog")
    if amount in ("10", "25", "50", "100"):
        dialog.get_by_label(f"${amount}", exact=True).check()
    else:
        dialog.get_by_label("Other", exact=True).check()
        dialog.get_by_label("Other amount").fill(amount)
    dialog.get_by_label(way).check()
    dialog.locator("[type=submit]").click()


def add_card(page: Page, number: str) -> None:
    page.goto("/settings/billing")
    page.locator("#cards").get_by_role("button", name="Add").click()
    enter_card(page, number, "Save card")
    page.wait_for_url("**/settings/billing")
    expect(page.locator("#cards")).to_contain_text(f"ending in {number[-4:]}")


def test_a_top_up_that_the_bank_wants_confirmed(customer_page: Page, member: Registered, tmp_path: Path) -> None:
    page = customer_page
    page.goto("/settings/billing")
    expect(page.get_by_text("There is no credit left")).to_be_visible()
    assert_sound(page, themes=("dark",), widths=NARROW_AND_WIDE)
    page.get_by_role("button", name="Top up").or_(page.get_by_role("link", name="Top up")).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_sound(page, widths=NARROW_AND_WIDE)
    choose_top_up(page, "3")
    expect(page.get_by_role("dialog")).to_contain_text("One field needs a change")
    assert balance(member.account.pk).remaining == 0

    choose_top_up(page, "32.50")
    page.wait_for_url("**/c/pay/**")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pay $32.50")
    assert_sound(page, themes=("light",), widths=NARROW_AND_WIDE)
    enter_card(page, ASKS, "Pay $32.50")
    page.wait_for_url("**/3ds/**")
    assert_sound(page, themes=("dark",), widths=NARROW_AND_WIDE)
    page.get_by_role("button", name="Complete authentication").click()
    page.wait_for_url("**/settings/billing/top-up/**")
    expect(page.get_by_role("heading", name="$32.50 is on your account")).to_be_visible()
    assert_sound(page, themes=("dark",), widths=NARROW_AND_WIDE)
    assert balance(member.account.pk).remaining == 32_500_000_000

    page.get_by_role("link", name="Done").click()
    expect(page.locator("#balance-pill")).to_contain_text("$32.50")
    expect(page.locator("#transactions")).to_contain_text("Top-up")
    until(lambda: cards_of(member.account.pk), "the card that was saved on the way")
    page.reload()
    expect(page.locator("#cards")).to_contain_text("Visa ending in 3184")
    assert_sound(page)
    page.get_by_role("link", name="Receipt", exact=True).click()
    expect(page.get_by_text("Total, US dollars")).to_be_visible()
    assert_sound(page, themes=("light",), widths=NARROW_AND_WIDE)
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")


def test_declined_cards_charge_nothing_and_say_so(customer_page: Page, member: Registered) -> None:
    page = customer_page
    choose_top_up(page, "10")
    page.wait_for_url("**/c/pay/**")
    enter_card(page, DECLINED, "Pay $10.00")
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    page.get_by_role("link", name="Cancel and go back").click()
    page.wait_for_url("**/settings/billing")
    add_card(page, SAVED_BUT_DECLINED)
    choose_top_up(page, "25", "Visa ending in 0341")
    expect(page.get_by_role("alert")).to_contain_text("The card was declined.")
    assert_sound(page, themes=("dark",), widths=NARROW_AND_WIDE)
    expect(page.get_by_role("dialog").get_by_label("$25", exact=True)).to_be_checked()
    assert balance(member.account.pk).remaining == 0

    page.get_by_role("dialog").get_by_label("Another card").check()
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url("**/c/pay/**")
    enter_card(page, GOOD, "Pay $25.00")
    expect(page.get_by_role("heading", name="$25.00 is on your account")).to_be_visible()
    assert balance(member.account.pk).remaining == 25 * NANO_PER_USD


def test_a_newcomer_adds_a_card_and_gets_the_trial_credit(customer_page: Page, member: Registered) -> None:
    promise_trial(member.account)
    page = customer_page
    page.goto("/dashboard")
    assert_sound(page, themes=("light",), widths=NARROW_AND_WIDE)
    page.get_by_role("button", name="Add a card").click()
    enter_card(page, "4242420000000018", "Save card")
    page.wait_for_url("**/dashboard/onboarding")
    expect(page.get_by_text("Visa ending in 0018. Nothing was charged.").first).to_be_visible()
    expect(page.get_by_text("$5.00, until")).to_be_visible()
    assert balance(member.account.pk).remaining == 5 * NANO_PER_USD


@pytest.fixture
def paid_model(backend: FakeBackend, site: GatewayProcess) -> Iterator[TestModel]:
    """A dollar an answer; gone again afterwards."""
    backend.reply("Yes.", prompt_tokens=10, completion_tokens=1)
    model, _ = save_model("test/a-dollar-a-call", {"is_active": True}, {"input_pico": 0, "output_pico": 0, "request_pico": 10**12})
    save_backend(model, backend.base_url, {"upstream_model": "dear"})
    known = TestModel(model.pk, "test/a-dollar-a-call", "dear", ())
    wait_until_known(site, known)
    yield known
    Model.objects.filter(pk=model.pk).update(is_active=False)


def test_usage_that_crosses_the_threshold_tops_up_by_itself(
    customer_page: Page, member: Registered, site: GatewayProcess, paid_model: TestModel, stripe_simulator: Simulator
) -> None:
    page, account = customer_page, member.account
    grant_credit(account.pk, 12 * NANO_PER_USD, PoolKind.PROMOTION, f"test:{account.pk}")
    add_card(page, GOOD)
    form = page.locator("#auto-top-up")
    form.get_by_role("switch").check()
    form.get_by_label("When the balance falls below").fill("10")
    form.get_by_label("Add", exact=True).fill("10")
    form.get_by_label("At most in a month").fill("1")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_be_visible()
    form.get_by_label("At most in a month").fill("15")
    form.get_by_role("button", name="Save").click()
    expect(form.locator(".badge")).to_have_text("On")
    assert_sound(page, themes=("dark",), widths=NARROW_AND_WIDE)

    _, secret = create_key(account, "spender")
    with httpx.Client(base_url=site.base_url, headers={"Authorization": f"Bearer {secret}"}, timeout=30) as api:
        for number in range(1, 4):
            body = {"model": paid_model.name, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
            assert api.post("/chat/completions", json=body).status_code == 200
            if number == 2:
                assert balance(account.pk).remaining == 10 * NANO_PER_USD  # at the threshold, not below it
                assert state_of(account.pk).spent_this_month == 0
    until(lambda: balance(account.pk).remaining == 19 * NANO_PER_USD, "the auto top-up")
    page.reload()
    expect(page.get_by_role("heading", name="Balance").locator("..")).to_contain_text("$19.00")
    expect(form).to_contain_text("$10.00 of $15.00 this month")
    customer = account.customer.stripe_id
    assert stripe_simulator.books()["customers"][customer] == {"received": 1000, "refunded": 0, "disputed": 0, "net": 1000}
