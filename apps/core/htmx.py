"""What htmx needs of answers: messages as toasts, and the log-in as a page of its own."""

from __future__ import annotations

import json
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.deprecation import MiddlewareMixin


class MessagesInHtmxAnswers(MiddlewareMixin):
    """Django's messages travel in the header HX-Trigger and become toasts (static/js/toasts.js).

    Comes after the messages' own middleware. Messages of an answer that redirects or that shows them itself are left alone.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        leaves = any(response.has_header(name) for name in ("HX-Redirect", "HX-Refresh", "HX-Location"))
        if "HX-Request" not in request.headers or leaves or 300 <= response.status_code < 400:
            return response
        messages = [{"level": message.level_tag, "text": str(message)} for message in get_messages(request)]
        if messages:
            events = json.loads(response.headers.get("HX-Trigger", "{}"))
            response.headers["HX-Trigger"] = json.dumps({**events, "toast": {"messages": messages}})
        return response


class LogInFromHtmx(MiddlewareMixin):
    """Whose session has ended is led to the log-in and back: htmx would follow the redirect and swap that page into a part of this one."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if "HX-Request" not in request.headers or response.status_code != 302:
            return response
        log_in = resolve_url(settings.LOGIN_URL)
        if urlsplit(response.headers["Location"]).path != log_in:
            return response
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
        back = here.path + (f"?{here.query}" if here.query else "")
        return HttpResponse(headers={"HX-Redirect": f"{log_in}?{urlencode({'next': back or '/'})}"})
