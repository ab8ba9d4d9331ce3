"""Promise: whoever views as a customer sees that customer's pages and can change nothing, not even by a page that would write; a banner
says so, a button ends it, and all of it is on record."""

from __future__ import annotations

import time

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from akashml import urls
from apps.accounts import viewing as sessions
from apps.accounts.models import Account
from apps.api_keys.actions import create_key
from apps.api_keys.models import ApiKey
from apps.audit.models import Entry
from apps.staff import viewing
from tests.people import new_customer
from tests.staff_pages.roles import browser_of, member_of


def view_of(account: Account, role: str = "support") -> Client:
    client = browser_of(member_of(role))
    answer = client.post(f"/admin/accounts/account/{account.pk}/view/", {"reason": "ticket 7"})
    assert answer.headers["location"] == "/dashboard"
    return client


def test_it_shows_the_customers_pages_under_a_banner_until_it_ends() -> None:
    customer = new_customer()
    create_key(customer.account, "the customer's key")
    client = view_of(customer.account)
    for page in ("/dashboard", "/usage", "/inferences", "/settings/billing", "/settings/api-keys"):
        shown = client.get(page)
        assert shown.status_code == 200, page
        assert "reading only" in shown.content.decode(), page
    assert "the customer&#x27;s key" in client.get("/settings/api-keys").content.decode()
    assert client.post("/admin/end-view/").headers["location"] == f"/admin/accounts/account/{customer.account.pk}/desk/"
    after = client.get("/settings/api-keys").content.decode()
    assert "the customer&#x27;s key" not in after
    assert "reading only" not in after
    entries = Entry.objects.filter(account_id=customer.account.pk).order_by("pk")
    assert [(entry.action, entry.reason) for entry in entries] == [("view as customer", "ticket 7"), ("end of view", "")]


def test_nothing_but_reading_is_possible() -> None:
    customer = new_customer()
    key, _ = create_key(customer.account, "kept")
    client = view_of(customer.account, "superuser")
    for refused in (
        client.post(f"/settings/api-keys/{key.pk}/revoke"),
        client.post("/settings/api-keys", {"name": "new"}),
        client.post("/settings/billing/details", {"name": "x"}),
        client.delete(f"/api/v1/keys/{key.pk}"),
        client.get("/api/v1/keys"),
        client.get("/settings/profile"),
        client.get("/settings/security"),
        client.get("/settings/data/export"),
        client.get("/accounts/email/"),
        client.get("/admin/"),
        client.post(f"/admin/accounts/account/{customer.account.pk}/desk/", {"deed": "suspend", "reason": "x"}),
        client.get("/no-such-page"),
    ):
        assert refused.status_code in (403, 404), refused.request["PATH_INFO"]
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None
    assert ApiKey.objects.filter(account=customer.account).count() == 1


def writes(request: HttpRequest) -> HttpResponse:
    """A page that changes something when it is looked at."""
    Account.objects.filter(pk=request.account.pk).update(name="written")  # type: ignore[attr-defined]
    return HttpResponse("done")


urlpatterns = [path("writes", writes, name="writes"), *urls.urlpatterns]


@pytest.mark.urls(__name__)
def test_a_page_that_writes_is_refused_by_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "SHOWN", viewing.SHOWN | {"writes"})
    customer = new_customer()
    assert view_of(customer.account).get("/writes").status_code == 403
    assert Account.objects.get(pk=customer.account.pk).name == customer.account.name
    assert browser_of(customer.user).get("/writes").content == b"done"  # which shows that it would have


def test_it_needs_a_reason_and_the_right_and_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    customer, client = new_customer(), browser_of(member_of("support"))
    page = f"/admin/accounts/account/{customer.account.pk}/view/"
    client.post(page, {"reason": " "})
    assert not Entry.objects.filter(account_id=customer.account.pk).exists()
    user = member_of("support")
    client = browser_of(user)
    client.post(page, {"reason": "ticket 7"})
    user.groups.clear()
    shown = client.get("/dashboard").content.decode()
    assert "reading only" not in shown
    client = view_of(customer.account)
    later = time.time() + sessions.LONGEST_S + 1
    monkeypatch.setattr(sessions.time, "time", lambda: later)
    assert "reading only" not in client.get("/settings/api-keys").content.decode()
