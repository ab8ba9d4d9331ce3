"""What every page tells the browser: load nothing from elsewhere, run no inline script, be framed by nobody.

Answers of the API carry none of this (apps/core/middleware.py). A page that needs more says so on its own answer, in a header
that is then left as it is.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.ids import uuid7
from apps.core.logs import current_page
from apps.core.middleware import PagesOnly

# Forms may lead to these and be redirected there: Stripe's hosted pages (hooks: a bank's confirmation), and the log-ins of others.
FORM_TARGETS = (
    "https://checkout.stripe.com",
    "https://billing.stripe.com",
    "https://hooks.stripe.com",
    "https://accounts.google.com",
    "https://github.com",
)


def content_security_policy(form_targets: list[str]) -> str:
    """No nonce: nothing is inline, so that one header holds for every page. `data:` pictures are QR codes and the admin's icons."""
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "frame-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            " ".join(["form-action 'self'", *FORM_TARGETS, *form_targets]),
        ]
    )


HEADERS = {
    "Content-Security-Policy": content_security_policy([*settings.FORM_TARGETS, *filter(None, [settings.STRIPE_API_BASE])]),
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    # What depends on who asks is never kept by a cache in between; going back in the browser stays instant.
    "Cache-Control": "private, no-cache",
}


class PageHeaders(PagesOnly):
    """Gives every request for a page an id (`request.page_id`, sent as X-Request-Id) and its answer the headers above."""

    def before(self, request: HttpRequest) -> None:
        request.page_id = str(uuid7())  # type: ignore[attr-defined]
        current_page.set(request.page_id)  # type: ignore[attr-defined]

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("X-Request-Id", request.page_id)  # type: ignore[attr-defined]
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        current_page.set("")  # a thread that serves one request after the other is done with this one
        return response
