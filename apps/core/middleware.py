"""What distinguishes an answer of the API from one of the site's pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.core.cors import answer_headers, preflight_headers
from apps.core.ids import uuid7

# These tell a browser how to treat a page. The gateway's own door does not send them, and both doors answer alike.
PAGE_HEADERS = ("Cross-Origin-Opener-Policy", "Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options")


def is_api_path(path: str) -> bool:
    """Whether an address belongs to the inference API (OpenAI's or Anthropic's dialect)."""
    return path.startswith(("/v1/", "/anthropic/")) or path in ("/v1", "/anthropic")


def is_management_path(path: str) -> bool:
    """Whether an address belongs to the management API: it answers in JSON like the inference API, and is a page in all else."""
    return path.startswith("/api/v1/") or path == "/api/v1"


class ApiMiddleware:
    """Every answer of the API carries an `Inference-Id` (a UUIDv7), errors too, what browsers of other origins need, and no header
    meant for pages.

    Works on both of Django's handlers as they are, so that under ASGI no request changes threads for it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.method == "OPTIONS" and is_api_path(request.path) and "Access-Control-Request-Method" in request.headers:
            allowed = _preflight(request)
            return _at_once(allowed) if iscoroutinefunction(self.get_response) else allowed
        answer = self.get_response(request)
        return _completed(request, answer) if isinstance(answer, HttpResponseBase) else _later(request, answer)


def _preflight(request: HttpRequest) -> HttpResponseBase:
    """The browser's question whether a page may call: answered here, before anything asks for a key."""
    asked = request.headers.get("Access-Control-Request-Headers", "")
    return _completed(request, HttpResponse(status=204, headers=preflight_headers(request.headers.get("Origin", ""), asked)))


async def _at_once(response: HttpResponseBase) -> HttpResponseBase:
    return response


async def _later(request: HttpRequest, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
    return _completed(request, await answer)


def _completed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if is_api_path(request.path):
        response.headers.setdefault("Inference-Id", str(uuid7()))
        # Where each dialect's SDKs look for it (apps/gateway/*/surface.py).
        name = "Request-Id" if request.path.startswith("/anthropic") else "X-Request-Id"
        response.headers.setdefault(name, response.headers["Inference-Id"])
        for page_header in PAGE_HEADERS:
            response.headers.pop(page_header, None)
        for name, value in answer_headers(request.headers.get("Origin", "")).items():
            response.headers.setdefault(name, value)
    return response


class PagesOnly:
    """A middleware for what is no answer of the API: `before` may answer in the view's place, `after` may change the answer.

    Neither may wait for anything: under ASGI they run on the event loop.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if is_api_path(request.path):
            return self.get_response(request)
        early = self.before(request)
        if early is not None:
            answered = self.after(request, early)
            return _at_once(answered) if iscoroutinefunction(self.get_response) else answered
        answer = self.get_response(request)
        return self.after(request, answer) if isinstance(answer, HttpResponseBase) else self._later(request, answer)

    async def _later(self, request: HttpRequest, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return self.after(request, await answer)
