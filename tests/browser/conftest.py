"""A whole site on a real socket, and Debian's Chromium in front of it.

    def test_x(visitor: Page) -> None: visitor.goto("/")              # nobody is logged in
    def test_y(customer_page: Page, member: Registered) -> None: …    # `member` is
    def test_z(open_page) -> None: page = open_page(user=…, width=390, theme="dark")

Each page has a browser context of its own; what its console complains of, and every request to another host, fails the test
unless the test allows it (`watch.allow`, `watch.allow_host`). `assert_sound(page)` (soundness.py) is for every state of every page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from apps.accounts.actions import Registered, create_account_for
from apps.accounts.models import User
from tests import people
from tests.browser.session import session_cookie
from tests.browser.watching import Watch
from tests.fakes.oauth import CLIENT_ID, CLIENT_SECRET, FakeIdentityProvider
from tests.gateway.conftest import pytest_runtest_makereport, pytest_runtest_protocol
from tests.gateway.processes import GatewayProcess, gateways_running

__all__ = ["pytest_runtest_makereport", "pytest_runtest_protocol"]  # they show the site's log when a test fails

PROVIDERS = ("GOOGLE", "GITHUB")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Root may not sandbox; the rest keeps Chromium from asking its maker for anything.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE_MS = 30_000  # for machines that are busy with other things


@pytest.fixture(scope="package")
def identity_provider() -> Iterator[FakeIdentityProvider]:
    """Google and GitHub, as the site knows them."""
    with FakeIdentityProvider() as running:
        yield running


@pytest.fixture(scope="package")
def site(identity_provider: FakeIdentityProvider) -> Iterator[GatewayProcess]:
    """One process that serves everything, for all tests of this folder; they leave it as they found it."""
    clients = {f"{name}_CLIENT_ID": CLIENT_ID for name in PROVIDERS} | {f"{name}_CLIENT_SECRET": CLIENT_SECRET for name in PROVIDERS}
    bases = {f"{name}_OAUTH_BASE": identity_provider.url for name in PROVIDERS}
    with gateways_running(1, SERVE="all", DJANGO_ALLOW_ASYNC_UNSAFE="", **clients, **bases) as [process]:
        yield process


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with this folder's tests: while it lives no other event loop can run in this process."""
    if not os.path.exists(CHROMIUM):
        pytest.fail("the browser tests need Chromium: apt install chromium", pytrace=False)
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    # Playwright's loop belongs to it alone; Django only sees that there is one in this thread.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            expect.set_options(timeout=PATIENCE_MS)
            launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield launched
            launched.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        if before is not None:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def watch(site: GatewayProcess) -> Iterator[Watch]:
    """What the test's pages complained of; checked when the test ends."""
    watch = Watch(urlsplit(site.url).netloc)
    yield watch
    watch.check()


@pytest.fixture
def open_page(site: GatewayProcess, browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """`open_page(user=None, width=1280, height=900, theme="light", **options)`: a blank page in a context of its own.

    `options` are Playwright's for a context, such as `java_script_enabled=False`.
    """
    contexts = []

    def open_one(*, user: User | None = None, width: int = 1280, height: int = 900, theme: str = "light", **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, viewport={"width": width, "height": height}, color_scheme=theme, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
        watch.follow(context)
        if user is not None:
            context.add_cookies([{**session_cookie(user, site.port), "url": site.url}])  # type: ignore[typeddict-item]
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def member() -> Registered:
    """A new user with a verified address and an empty account."""
    return people.new_customer()


@pytest.fixture
def visitor(open_page: Callable[..., Page]) -> Page:
    """A page where nobody is logged in."""
    return open_page()


@pytest.fixture
def customer_page(open_page: Callable[..., Page], member: Registered) -> Page:
    """A page where `member` is logged in."""
    return open_page(user=member.user)


@pytest.fixture
def staff() -> User:
    """A new member of staff."""
    return create_account_for(people.new_email(), staff=True).user


@pytest.fixture
def staff_page(open_page: Callable[..., Page], staff: User) -> Page:
    """A page where `staff` is logged in."""
    return open_page(user=staff)
