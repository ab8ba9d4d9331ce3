"""Whether htmx asks for a part of a page."""

from __future__ import annotations

from django.http import HttpRequest


def wants_fragment(request: HttpRequest) -> bool:
    """True for htmx, but not when it restores a whole page because somebody went back."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers
