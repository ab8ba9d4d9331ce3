"""Promise: who loses the connection in the middle of an answer gets the rest of it, once, without asking or paying again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.core.ids import uuid7
from apps.usage.models import Inference
from tests.browser.cuttable import Wire
from tests.browser.talking import answers, ask, expect_finished
from tests.browser.watching import Watch
from tests.fakes import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.processes import GatewayProcess

pytest_plugins = ["tests.fakes.fixtures"]


@pytest.mark.timeout(300)
def test_an_answer_goes_on_where_it_was(
    customer_page: Page, member: Registered, site: GatewayProcess, backend: FakeBackend, watch: Watch
) -> None:
    page = customer_page
    grant_credit(member.account.pk, 10**9, PoolKind.PROMOTION, f"test:{uuid7()}")
    model = offer(site, backend.base_url)
    with Wire(site.port) as wire:
        watch.allow_host(wire.netloc)
        watch.allow("WebSocket|ERR_|failed request")  # what the browser says of a wire that is cut
        page.goto(f"http://{wire.netloc}/playground?model={model.name}")
        expect(page.locator(".bench[data-ready]")).to_be_attached()
        backend.reply(chunks=["one ", "two ", "three ", "four"], completion_tokens=4)
        gate = backend.gate("before_chunk:2")
        ask(page, "Count")
        gate.wait_reached(1)
        expect(answers(page).locator(".answer")).to_have_text("one two")
        wire.cut()
        expect(page.locator("[data-connection]")).to_contain_text("The connection was lost")
        gate.release()  # it goes on at the backend meanwhile
        wire.mend()
        expect(answers(page).locator(".answer")).to_have_text("one two three four")
        expect_finished(page)
        expect(page.locator("[data-connection]")).to_be_hidden()
        expect(answers(page)).to_have_count(1)
    assert len(backend.requests) == 1
    assert Inference.objects.filter(account_id=member.account.pk).count() == 1
