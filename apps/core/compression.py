"""Pages are sent compressed; answers of the API, which may be streams, never are."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from apps.core.middleware import PagesOnly

COMPRESSED_TYPES = ("text/html", "application/json")


def _unused(request: HttpRequest) -> HttpResponseBase:
    raise AssertionError("only the compression of GZipMiddleware is used")


class CompressedPages(PagesOnly):
    """By Django's own compression, which adds a random number of bytes (against BREACH)."""

    gzip = GZipMiddleware(_unused)

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.headers.get("Content-Type", "").startswith(COMPRESSED_TYPES):
            return response
        return self.gzip.process_response(request, response)
