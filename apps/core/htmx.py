"""Django's messages in an htmx answer: they travel in the header HX-Trigger and become toasts (static/js/toasts.js)."""

from __future__ import annotations

import json

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin


class MessagesInHtmxAnswers(MiddlewareMixin):
    """Comes after the messages' own middleware. Messages of an answer that redirects or that shows them itself are left alone."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        leaves = any(response.has_header(name) for name in ("HX-Redirect", "HX-Refresh", "HX-Location"))
        if "HX-Request" not in request.headers or leaves or 300 <= response.status_code < 400:
            return response
        messages = [{"level": message.level_tag, "text": str(message)} for message in get_messages(request)]
        if messages:
            events = json.loads(response.headers.get("HX-Trigger", "{}"))
            response.headers["HX-Trigger"] = json.dumps({**events, "toast": {"messages": messages}})
        return response
