"""Pages for answers that have none of their own, and the maintenance page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core.middleware import PagesOnly
from apps.dashboard.errors import PROBLEMS, error_page, maintenance_page

# Machines call these, and read no pages.
NO_PAGES = ("/api/", "/metrics", "/stripe/")


class ProblemPages(PagesOnly):
    """A refusal without a body (such as Django's 405) becomes a page; while MAINTENANCE is set, every request does."""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        return maintenance_page(request) if settings.MAINTENANCE and not request.path.startswith(NO_PAGES) else None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        bare = isinstance(response, HttpResponse) and not response.content and response.status_code in PROBLEMS
        if not bare or request.path.startswith(NO_PAGES) or "HX-Request" in request.headers:
            return response
        page = error_page(request, response.status_code)
        for name, value in response.headers.items():
            if name not in ("Content-Type", "Content-Length"):
                page.headers[name] = value
        return page
