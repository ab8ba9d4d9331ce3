"""Pages for what went wrong: what happened, what to do, and the id under which our log knows it.

They read no session and no database, so that they come out whatever is broken.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.http import escape_leading_slashes

log = logging.getLogger(__name__)

RETRY_AFTER_S = "5"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a page for one status says. `again`: the same request may work a little later."""

    title: str
    text: str
    again: bool = False


PROBLEMS = {
    400: Problem(
        "That request was malformed",
        "The address or what was sent with it cannot be read. If you followed a link, it may have been cut off.",
    ),
    403: Problem("You may not see this page", "It belongs to somebody else, or needs rights that your user does not have."),
    404: Problem("There is nothing at this address", "It may have been removed, belong to another account, or never have existed."),
    405: Problem("This address does not take that kind of request", "Go back and use the page's own buttons and forms."),
    413: Problem("That was too large", "Send a smaller file or a shorter text."),
    429: Problem(
        "Too many attempts", "For safety, there is a limit on how often this may be tried. Wait a few minutes, then try again.", again=True
    ),
    500: Problem(
        "Something broke on our side",
        "It has been logged and we will look into it. Requests to the API are not affected by pages.",
        again=True,
    ),
    503: Problem(
        "This page cannot be served right now",
        "The platform is busy or restarting. Nothing is lost; try again in a few seconds.",
        again=True,
    ),
}
CSRF = Problem(
    "This form is out of date",
    "It was open for too long, or your browser keeps no cookies. Go back, reload the page and send it again: nothing was changed.",
)
OUTAGES = (OperationalError, InterfaceError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


def error_page(request: HttpRequest, status: int, problem: Problem | None = None) -> HttpResponse:
    """The page for a status of PROBLEMS, or for a problem of its own."""
    context = {
        "status": status,
        "problem": problem or PROBLEMS[status],
        "page_id": getattr(request, "page_id", ""),
        "here": escape_leading_slashes(request.get_full_path()) if request.method in ("GET", "HEAD") else "",
    }
    response = HttpResponse(render_to_string("errors/error.html", context), status=status)
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER_S
    return response


def maintenance_page(request: HttpRequest) -> HttpResponse:
    """For as long as MAINTENANCE is set; what it says is shown."""
    text = f"{settings.MAINTENANCE.rstrip('.')}. The API goes on working while pages are away."
    return error_page(request, 503, Problem("Down for maintenance", text, again=True))


# What Django calls (akashml/errors.py).
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    return error_page(request, 429)


def server_error(request: HttpRequest) -> HttpResponse:
    """503 when Postgres or Valkey could not be reached, else 500. Django has logged the trace; this names the id that is shown."""
    status = 503 if isinstance(sys.exc_info()[1], OUTAGES) else 500
    log.error("request %s was answered with %s: %s %s", getattr(request, "page_id", "–"), status, request.method, request.path)
    return error_page(request, status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_page(request, 403, CSRF)
