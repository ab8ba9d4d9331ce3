"""Public pages: the same for everyone but for the way in, so that a cache may keep them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def known(request: HttpRequest) -> bool:
    """Whether whoever asks carries a session, which is not read for it: they are shown the way to the dashboard in place of the log-in."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES


def public_page(request: HttpRequest, template: str, context: dict[str, Any], *, fresh_s: int) -> HttpResponse:
    """A page of `site.html`. Caches may keep it for `fresh_s` seconds, unless it was made for somebody with a session."""
    context = {**context, "known": known(request)}
    response = render(request, template, context)
    response.headers["Cache-Control"] = "private, no-cache" if context["known"] else f"public, max-age={fresh_s}"
    patch_vary_headers(response, ["Cookie"])
    return response
