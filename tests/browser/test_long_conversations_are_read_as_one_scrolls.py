"""Promise: a long conversation shows its end at once; what came before comes as one scrolls up, other branches when they are chosen, and
the code of the request holds all of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from msgspec import Raw
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.playground.models import AnswerStatus, Message, Role
from apps.playground.sealing import Body, seal_body
from tests.browser.soundness import assert_sound
from tests.browser.talking import open_playground, pane
from tests.browser.watching import Watch
from tests.playground.keeping import keep_conversation

TEXTS = [f"Text number {number}." for number in range(120)]


@pytest.mark.timeout(300)
def test_up_to_its_beginning(customer_page: Page, member: Registered) -> None:
    page = customer_page
    conversation, ids = keep_conversation(member.user, member.account, TEXTS, ["org/gone"])
    other = [uuid4(), uuid4()]
    later = timezone.now() + timedelta(
        minutes=1
    )  # than those of the conversation, which are a millisecond apart: branches go by their time
    for number, (pk, role, status) in enumerate(((other[0], Role.USER, None), (other[1], Role.ASSISTANT, AnswerStatus.COMPLETED))):
        parent = ids[-3] if number == 0 else other[0]
        body = seal_body(Body(Raw(b'"Another branch %d"' % number)))
        Message(id=pk, conversation_id=conversation, parent=parent, role=role, status=status, sealed_body=body, created_at=later).save()
    open_playground(page, f"?c={conversation}")
    shown = pane(page).locator(".message :is(.you, .answer)")
    expect(shown.last).to_have_text(TEXTS[-1])
    assert shown.count() < len(TEXTS) / 2
    assert_sound(page, widths=(390, 1440))

    # A branch that nobody has read yet, and back.
    branches = pane(page).locator(".message.user .branches").last
    expect(branches).to_have_text("1/2")
    branches.get_by_role("button", name="Later branch").click()
    expect(shown.last).to_have_text("Another branch 1")
    pane(page).locator(".message.user .branches").last.get_by_role("button", name="Earlier branch").click()
    expect(shown.last).to_have_text(TEXTS[-1])

    earlier = pane(page).locator(".earlier")
    while earlier.is_visible():
        left = earlier.text_content() or ""
        pane(page).locator(".transcript").evaluate("(element) => (element.scrollTop = 0)")
        expect(earlier).not_to_have_text(left)
    assert [text.strip() for text in shown.all_text_contents()] == TEXTS
    page.reload()
    expect(shown.last).to_have_text(TEXTS[-1])
    page.get_by_role("button", name="View code").click()
    code = page.get_by_role("dialog", name="View code").get_by_role("region", name="curl")
    for text in (TEXTS[0], TEXTS[60], TEXTS[-1]):
        expect(code).to_contain_text(text)


def test_what_cannot_be_read_is_said_and_asked_for_again(customer_page: Page, member: Registered, watch: Watch) -> None:
    page = customer_page
    conversation, _ = keep_conversation(member.user, member.account, TEXTS, ["org/gone"])
    watch.allow("ERR_FAILED|failed request")
    page.route("**/messages?*", lambda route: route.abort())
    open_playground(page, f"?c={conversation}")
    page.get_by_role("button", name="View code").click()
    expect(page.get_by_text("The server could not be reached. Check your connection and try again.")).to_be_visible()
    page.unroute("**/messages?*")
    page.get_by_role("button", name="View code").click()
    expect(page.get_by_role("dialog", name="View code").get_by_role("region", name="curl")).to_contain_text(TEXTS[0])
