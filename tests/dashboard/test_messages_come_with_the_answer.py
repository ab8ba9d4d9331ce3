"""Promise: what a page has to say about an action is said once: on the next page, or beside the part that htmx swaps in."""

from __future__ import annotations

import json

import pytest
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.test import Client
from django.urls import include, path


def act(request: HttpRequest, how: str) -> HttpResponse:
    messages.success(request, "Key “a” revoked.")
    messages.error(request, "The card was declined.")
    answers = {
        "part": HttpResponse("<p>part</p>", headers={"HX-Trigger": '{"keys-changed": true}'}),
        "redirect": HttpResponseRedirect("/page"),
        "htmx-redirect": HttpResponse(headers={"HX-Redirect": "/page"}),
    }
    return answers[how]


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


@login_required
def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse("private")


urlpatterns = [path("act/<how>", act), path("page", page), path("private", private), path("accounts/", include("allauth.urls"))]
pytestmark = pytest.mark.urls(__name__)
HTMX = {"HX-Request": "true"}


def test_beside_a_part_as_an_event() -> None:
    client = Client()
    trigger = json.loads(client.get("/act/part", headers=HTMX).headers["HX-Trigger"])
    assert trigger["keys-changed"] is True
    assert trigger["toast"]["messages"] == [
        {"level": "success", "text": "Key “a” revoked."},
        {"level": "error", "text": "The card was declined."},
    ]
    assert "revoked" not in client.get("/page").text


@pytest.mark.parametrize(("how", "headers"), [("redirect", {}), ("redirect", HTMX), ("htmx-redirect", HTMX), ("part", {})])
def test_otherwise_on_the_next_page_and_once(how: str, headers: dict[str, str]) -> None:
    client = Client()
    answer = client.get(f"/act/{how}", headers=headers)
    assert "toast" not in answer.headers.get("HX-Trigger", "")
    text = client.get("/page").text
    assert text.count("Key “a” revoked.") == 1
    assert '<div class="toast error"' in text
    assert "revoked" not in client.get("/page").text


def test_whose_session_has_ended_is_led_to_the_log_in_and_back() -> None:
    answer = Client().get("/private", headers={**HTMX, "HX-Current-URL": "http://testserver/settings/api-keys?q=a"})
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2Fsettings%2Fapi-keys%3Fq%3Da"
    assert Client().get("/private").headers["Location"] == "/accounts/login/?next=/private"
