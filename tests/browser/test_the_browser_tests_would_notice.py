"""Promise: what the browser tests watch for does fail them: errors, refused resources, other hosts, poor contrast, sideways scrolling."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.soundness import assert_never_scrolls_sideways, assert_no_violations
from tests.browser.watching import Watch
from tests.fakes import FakeBackend
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for


@pytest.fixture
def own_watch(site: GatewayProcess, visitor: Page) -> Watch:
    """A second pair of eyes, which may see what the test's own may not."""
    own = Watch(site.url.removeprefix("http://"))
    own.follow(visitor.context)
    visitor.goto("/")
    return own


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("setTimeout(() => { throw new Error('a bug') })", "a bug"),
        ("console.error('an error')", "an error"),
        ("document.head.append(Object.assign(document.createElement('script'), { textContent: '1' }))", "Content Security Policy"),
        ("document.body.setAttribute('style', 'color: red')", "Content Security Policy"),
        ("fetch('/static/nothing.js')", "404"),
    ],
)
def test_a_complaint_of_the_console(visitor: Page, own_watch: Watch, watch: Watch, script: str, complaint: str) -> None:
    watch.allow(".")
    visitor.evaluate(f"() => {{ {script} }}")
    wait_for(lambda: visitor.evaluate("1") and own_watch.seen, 5, "the complaint")  # events arrive while the browser is asked something
    with pytest.raises(AssertionError, match=complaint):
        own_watch.check()
    own_watch.allow(complaint)
    own_watch.check()


def test_a_request_to_another_host(visitor: Page, own_watch: Watch, watch: Watch) -> None:
    watch.allow(".")
    with FakeBackend() as elsewhere:
        visitor.goto(f"{elsewhere.base_url}/models")
    with pytest.raises(AssertionError, match="foreign request"):
        own_watch.check()


def test_poor_contrast_and_a_wide_page(visitor: Page, own_watch: Watch) -> None:
    visitor.evaluate(
        "() => { document.querySelector('h1').style.color = '#eee'; document.querySelector('footer').style.width = '3000px'; }"
    )
    with pytest.raises(AssertionError, match="color-contrast"):
        assert_no_violations(visitor)
    with pytest.raises(AssertionError, match="wider than a window"):
        assert_never_scrolls_sideways(visitor)
