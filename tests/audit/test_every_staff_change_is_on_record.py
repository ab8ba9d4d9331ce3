"""Promise: every change that staff make is on record, who, what, before, after and why, and no record can be changed."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import Account, User
from apps.api_keys.actions import create_key
from apps.audit.models import Entry
from apps.audit.staff_pages import REASON, Audited
from apps.catalog.actions import save_backend
from apps.catalog.models import Backend, Model
from tests.gateway.customers import new_model
from tests.people import new_customer, new_email
from tests.staff import staff_client

pytestmark = pytest.mark.urls("tests.staff")


def entries(of: object) -> list[Entry]:
    """Of an object, oldest first."""
    return list(Entry.objects.filter(object_type=of._meta.label_lower, object_id=str(of.pk)).order_by("pk"))  # type: ignore[attr-defined]


def test_no_page_of_the_admin_is_without_it() -> None:
    assert [name for name, page in admin.site._registry.items() if not isinstance(page, Audited)] == []


def test_a_change_says_who_what_before_after_and_why() -> None:
    account, client = new_customer().account, staff_client()
    data = {"name": "Renamed", "time_zone": "Asia/Tokyo", REASON: "  asked for by phone "}
    data |= {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    answer = client.post(f"/admin/accounts/account/{account.pk}/change/", data)
    assert answer.status_code == 302, answer.content.decode()
    [entry] = entries(account)
    assert entry.before == {"name": account.name, "time_zone": "UTC"}
    assert entry.after == {"name": "Renamed", "time_zone": "Asia/Tokyo"}
    assert (entry.action, entry.reason, entry.account_id) == ("change", "asked for by phone", account.pk)
    assert entry.actor_id is not None
    assert entry.actor == User.objects.get(pk=entry.actor_id).email


def test_what_a_page_edits_along_with_its_object_is_on_record_too() -> None:
    model = Model.objects.get(pk=new_model(prices={"input": "1", "output": "2"}).id)
    price = model.prices.get()
    data = {
        "public_id": model.public_id, "name": model.name, "context_length": model.context_length, "default_max_output": model.default_max_output,
        "reasoning": "{}", "is_active": "on", "prices-TOTAL_FORMS": 2, "prices-INITIAL_FORMS": 1, "prices-0-id": price.pk, "prices-0-model": model.pk,
        "prices-1-effective_from_0": "2030-01-01", "prices-1-effective_from_1": "00:00", "prices-1-input_price": "3",
        "prices-1-output_price": "2", "prices-1-request_price": "0", "prices-1-model": model.pk,
    }  # fmt: skip
    answer = staff_client().post(f"/admin/catalog/model/{model.pk}/change/", data)
    assert answer.status_code == 302, answer.content.decode()
    new = model.prices.exclude(pk=price.pk).get()
    assert entries(model)[-1].after[f"price {new.pk}"]["input_pico"] == 3_000_000


def test_secrets_are_said_to_have_changed_and_never_shown() -> None:
    model = Model.objects.get(pk=new_model(prices={"input": "1", "output": "2"}).id)
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {"api_key": "the-old-key"})
    data = {
        "model": model.pk, "base_url": "http://127.0.0.1:9/v1", "upstream_model": "m", "weight": 1, "connect_timeout_s": 5,
        "is_active": "on", "new_api_key": "the-new-key",
    }  # fmt: skip
    answer = staff_client().post(f"/admin/catalog/backend/{backend.pk}/change/", data)
    assert answer.status_code == 302, answer.content.decode()
    entry = entries(backend)[-1]
    assert (entry.before["api_key_encrypted"], entry.after["api_key_encrypted"]) == ("(hidden)", "(hidden)")
    assert Backend.objects.get(pk=backend.pk).api_key_encrypted not in str(entry.after)
    client, email = staff_client(), new_email()
    added = client.post("/admin/accounts/user/add/", {"email": email, "usable_password": "true", "password1": "a long passphrase", "password2": "a long passphrase"})  # fmt: skip
    assert added.status_code == 302, added.content.decode()
    assert entries(User.objects.get(email=email))[0].after["password"] == "(hidden)"


def test_actions_on_many_are_on_record_one_by_one() -> None:
    account = new_customer().account
    keys = [create_key(account, name)[0] for name in ("one", "two")]
    data = {"action": "revoke", "_selected_action": [key.pk for key in keys]}
    assert staff_client().post("/admin/api_keys/apikey/", data).status_code == 302
    for key in keys:
        [entry] = entries(key)
        assert (entry.what, entry.account_id) == ("Revoked.", account.pk)


def test_nobody_changes_or_deletes_an_entry() -> None:
    account = Account.objects.get(pk=new_customer().account.pk)
    client = staff_client()
    client.post(f"/admin/accounts/account/{account.pk}/change/", {"name": "x", "time_zone": "UTC", "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0})  # fmt: skip
    [entry] = entries(account)
    for statement in ("UPDATE audit_entry SET reason = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    page = f"/admin/audit/entry/{entry.pk}"
    assert client.get(f"{page}/change/").status_code == 200
    assert client.post(f"{page}/change/", {"reason": "x"}).status_code == 403
    assert client.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/audit/entry/add/").status_code == 403


def test_entries_are_found_by_who_by_account_and_by_object() -> None:
    account, client = new_customer().account, staff_client()
    data = {"name": "Found", "time_zone": "UTC", "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    client.post(f"/admin/accounts/account/{account.pk}/change/", data)
    [entry] = entries(account)
    for term in (entry.actor, f"#{account.pk}", str(account.pk)):
        assert "Found" in client.get("/admin/audit/entry/", {"q": term}).content.decode(), term
    assert "0 entries" in client.get("/admin/audit/entry/", {"q": "nobody@nowhere.example"}).content.decode()
