"""What must never happen on any page: errors in the console, refused resources, requests to another host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request


@dataclass
class Watch:
    """Collects what went wrong in a browser context. `allow` says what a test expects; `check` fails for the rest."""

    host: str
    seen: list[str] = field(default_factory=list)
    allowed: list[re.Pattern[str]] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.seen.append(f"script error: {error.error}"))

    def allow(self, pattern: str) -> None:
        """A regular expression for complaints that belong to the test, such as `status of 404`."""
        self.allowed.append(re.compile(pattern))

    def allow_host(self, host: str) -> None:
        """`127.0.0.1:PORT` of a server that pages of this test may go to."""
        self.allow(rf"^foreign request: \w+ https?://{re.escape(host)}/")

    def check(self) -> None:
        bad = [complaint for complaint in self.seen if not any(pattern.search(complaint) for pattern in self.allowed)]
        assert not bad, "the browser complained:\n" + "\n".join(bad)

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.seen.append(f"foreign request: {request.method} {request.url}")

    def _failed(self, request: Request) -> None:
        # A page that is left while it loads aborts what it was loading.
        if request.failure != "net::ERR_ABORTED":
            self.seen.append(f"failed request: {request.method} {request.url} ({request.failure})")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")


def page_settled(page: Page) -> None:
    """Waits until the page's modules have run."""
    page.wait_for_load_state()
