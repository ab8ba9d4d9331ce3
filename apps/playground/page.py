"""The page `/playground`: its frame. What is in it comes by script, from the JSON addresses and the WebSocket that README.md describes."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

# Drawings that the page's script takes from a template of the page (static/js/playground/dom.js).
ICONS = (
    *("arrow", "copy", "check", "down", "left", "pencil", "play", "plus", "refresh", "right"),
    *("send", "sliders", "stop", "tool", "trash", "warn", "x"),
)
# For the help dialog; static/js/playground/shortcuts.js listens to them.
SHORTCUTS = (
    ("Send the message", ("Enter",)),
    ("Start a new line", ("Shift", "Enter")),
    ("Stop all answers", ("Esc",)),
    ("Write a message", ("/",)),
    ("Generate the last answer of the active pane again", ("Alt", "R")),
    ("Choose the model of the active pane", ("Alt", "M")),
    ("Settings of the active pane", ("Alt", "S")),
    ("Add a pane", ("Alt", "P")),
    ("View code", ("Alt", "C")),
    ("New chat", ("Alt", "N")),
    ("Send what was edited", ("Ctrl", "Enter")),
    ("This list", ("?",)),
)
SAMPLES = (("curl", "curl"), ("python", "Python"), ("javascript", "JavaScript"), ("anthropic", "Anthropic SDK"))


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`?c=` names the conversation to open, `?model=` the model to begin one with: both are read by the script."""
    context = {"soon": soon(request), "icons": ICONS, "shortcuts": SHORTCUTS, "samples": SAMPLES, "api_base": settings.API_BASE_URL}
    return render(request, "playground/page.html", context)


def soon(request: HttpRequest) -> list[str]:
    """What the script asks for first: the browser gets these while it still reads the script."""
    try:
        named = [UUID(request.GET.get("c", ""))]
    except ValueError:
        named = []  # none, or nothing that could be one
    return [reverse("playground-models"), *(reverse("playground-conversation", args=[identifier]) for identifier in named)]
