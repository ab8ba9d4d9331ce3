"""Promise: API keys are made, seen, edited, regenerated and revoked on their pages; a full key is on one page once, and nowhere else."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from secrets import token_bytes

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.actions import Registered
from apps.api_keys import minting
from apps.api_keys.actions import Limits, create_key, revoke_key
from apps.api_keys.models import ApiKey, Scope
from apps.dashboard.keys import PAGE
from apps.usage.models import Status
from tests.api.managing import teammate_of
from tests.dashboard.browsing import HTMX, SECRET, logged_in, secret_in
from tests.people import new_customer
from tests.usage.log import log_inference

KEYS = "/settings/api-keys"
NEW = {"name": "production", "rpm": "600", "tpm": "", "max_concurrent": "20", "expires_at": "2099-06-30T00:00", "scope": "1"}


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def client(alice: Registered) -> Client:
    return logged_in(alice.user)


def test_a_new_key_is_shown_once_and_stored_nowhere(client: Client, alice: Registered, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        page = client.post(KEYS, NEW)
    secret = secret_in(page.text)
    assert page.headers["Cache-Control"] == "no-store"
    row = ApiKey.objects.get(digest=minting.digest(secret))
    assert (row.account, row.created_by, row.name, row.scope) == (alice.account, alice.user, "production", Scope.INFERENCE)
    assert (row.rpm, row.tpm, row.max_concurrent, row.expires_at) == (600, None, 20, datetime(2099, 6, 30, tzinfo=UTC))
    assert "2099-06-30T00:00:00Z" in page.text
    for address in (KEYS, f"{KEYS}/{row.pk}", f"/api/v1/keys/{row.pk}", "/dashboard"):
        assert not SECRET.search(client.get(address).text), address
    assert secret not in caplog.text
    assert not stands_in_database(secret)


def stands_in_database(text: str) -> bool:
    """Whether any row of any table holds it, in whatever column."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            cursor.execute(f'SELECT 1 FROM "{table}" t WHERE t::text LIKE %s LIMIT 1', [f"%{text}%"])
            if cursor.fetchone():
                return True
    return False


def test_with_htmx_the_answer_is_the_key_the_list_and_a_fresh_form(client: Client) -> None:
    answer = client.post(KEYS, NEW, headers=HTMX)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    secret_in(answer.text)
    assert 'id="key-list" hx-swap-oob="true"' in answer.text
    assert "production" in answer.text
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "a\u2028b"}, "cannot contain line breaks"),
        ({"rpm": "0"}, "greater than or equal to 1"),
        ({"rpm": "many"}, "Enter a whole number."),
        ({"tpm": str(10**13)}, "less than or equal to"),
        ({"max_concurrent": "-1"}, "greater than or equal to 1"),
        ({"expires_at": "soon"}, "is not a time in ISO 8601"),
        ({"scope": "9"}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_in_place_and_nothing_typed_is_lost(
    client: Client, alice: Registered, change: dict[str, str], said: str
) -> None:
    for headers in ({}, HTMX):
        refused = client.post(KEYS, NEW | {"rpm": "77"} | change, headers=headers)
        assert refused.status_code == 422
        assert said in refused.text
        assert 'value="77"' in refused.text or "rpm" in change
    assert not ApiKey.objects.filter(account=alice.account).exists()


def test_a_management_key_has_no_limits(client: Client, alice: Registered) -> None:
    client.post(KEYS, NEW | {"scope": "2"})
    row = ApiKey.objects.get(account=alice.account)
    assert (row.scope, row.rpm, row.max_concurrent) == (Scope.MANAGEMENT, None, None)
    assert row.expires_at is not None


def test_an_edit_writes_what_was_changed_and_nothing_else(client: Client, alice: Registered) -> None:
    moment = datetime(2098, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    row, _ = create_key(alice.account, "k", Limits(rpm=1, tpm=2, max_concurrent=3, expires_at=moment))
    shown = {"name": "k", "rpm": "1", "tpm": "2", "max_concurrent": "3", "expires_at": "2098-01-02T03:04:05"}
    assert 'value="2098-01-02T03:04:05"' in client.get(f"{KEYS}/{row.pk}").text
    saved = client.post(f"{KEYS}/{row.pk}", shown | {"rpm": "", "tpm": "50"}, follow=True)
    assert "Saved." in saved.text
    row.refresh_from_db()
    assert (row.name, row.rpm, row.tpm, row.max_concurrent, row.expires_at) == ("k", None, 50, 3, moment)  # to the microsecond
    refused = client.post(f"{KEYS}/{row.pk}", shown | {"rpm": "0"})
    assert refused.status_code == 422
    row.refresh_from_db()
    assert row.rpm is None


def test_regenerating_shows_the_new_key_on_its_own_page(client: Client, alice: Registered) -> None:
    row, _ = create_key(alice.account, "k", Limits(rpm=9))
    page = client.post(f"{KEYS}/{row.pk}/regenerate")
    new = ApiKey.objects.get(digest=minting.digest(secret_in(page.text)))
    assert (new.replaces_id, new.rpm, new.created_by) == (row.pk, 9, alice.user)
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["HX-Replace-Url"] == f"{KEYS}/{new.pk}"
    before = client.get(f"{KEYS}/{row.pk}").text
    assert f"{KEYS}/{new.pk}" in before  # the old one's page leads on
    assert "Revoked" in before
    again = client.post(f"{KEYS}/{row.pk}/regenerate", follow=True)
    assert "This key is revoked" in again.text
    assert ApiKey.objects.filter(account=alice.account).count() == 2


def test_revoking_says_so_and_is_for_good(client: Client, alice: Registered) -> None:
    row, _ = create_key(alice.account, "<b>bold</b> & co")
    page = client.get(f"{KEYS}/{row.pk}").text
    assert "Revoke “&lt;b&gt;bold&lt;/b&gt; &amp; co”?" in page  # the confirmation names it
    done = client.post(f"{KEYS}/{row.pk}/revoke", follow=True)
    assert "is revoked" in done.text
    assert "<b>bold" not in done.text
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert client.post(f"{KEYS}/{row.pk}", NEW).status_code == 422
    assert "Save</button>" not in client.get(f"{KEYS}/{row.pk}").text


def test_an_account_without_keys_is_told_what_they_are_for(client: Client) -> None:
    page = client.get(KEYS)
    assert "No API keys yet" in page.text
    assert page.text.count("New key") == 1


def test_ten_thousand_keys_are_read_page_by_page_and_searched(client: Client, alice: Registered) -> None:
    create_key(alice.account, "first")
    rows = [ApiKey(account=alice.account, name=f"key {number}", last4=f"{number:04d}", digest=token_bytes(32)) for number in range(10_000)]
    ApiKey.objects.bulk_create(rows, batch_size=2_000)
    page = client.get(KEYS).text
    assert page.count("row-link") == PAGE
    more = page.split('class="button small" href="')[1].split('"')[0].replace("&amp;", "&")
    rest = client.get(f"{KEYS}{more}", headers=HTMX).text
    assert rest.count("row-link") == PAGE
    assert "key 9949<" in rest
    assert "<html" not in rest
    assert client.get(f"{KEYS}{more}").text.count("row-link") == PAGE  # without script it is a page of its own
    found = client.get(f"{KEYS}?q=KEY 123").text
    assert found.count("row-link") == 11  # 123 and 1230 … 1239
    assert client.get(f"{KEYS}?q=7777").text.count("row-link") == 1  # by name or last 4
    nothing = client.get(f"{KEYS}?q=%00%3Cscript%3E").text
    assert "No key matches" in nothing
    assert "<script>" not in nothing.split("<main")[1]


def test_odd_addresses_do_no_harm(client: Client) -> None:
    for query in ("after=x", f"after={10**30}", "after=-1", "q=" + "x" * 5_000, "revoked=1&after=0"):
        assert client.get(f"{KEYS}?{query}").status_code == 200
    for keys in ("", "x", "1,2,x", f"{10**30}", ",".join("9" * 300)):
        assert client.get(f"{KEYS}/meters?keys={keys}").status_code == 200
    for path in (f"{KEYS}/0", f"{KEYS}/{2**63}", f"{KEYS}/{10**40}", f"{KEYS}/{10**40}/minute"):
        assert client.get(path).status_code == 404


def test_members_see_their_accounts_keys_and_nobody_else_does(alice: Registered) -> None:
    row, _ = create_key(alice.account, "alice's key", Limits(rpm=60))
    bob, charlie, nobody = logged_in(teammate_of(alice)), logged_in(new_customer().user), Client()
    reads = [KEYS, f"{KEYS}/{row.pk}", f"{KEYS}/{row.pk}/minute", f"{KEYS}/meters?keys={row.pk}"]
    for path in reads:
        assert client_sees(bob, path, row)
        assert not client_sees(charlie, path, row)
        assert nobody.get(path).headers["location"].startswith("/accounts/login/")
    for path in reads[1:3]:
        assert charlie.get(path).status_code == 404
    writes = {f"{KEYS}/{row.pk}": NEW, f"{KEYS}/{row.pk}/regenerate": {}, f"{KEYS}/{row.pk}/revoke": {}}
    for path, data in writes.items():
        assert charlie.post(path, data).status_code == 404
        assert nobody.post(path, data).headers["location"].startswith("/accounts/login/")
        assert Client(enforce_csrf_checks=True).post(path, data).status_code == 403
    row.refresh_from_db()
    assert (row.name, row.revoked_at, row.rpm) == ("alice's key", None, 60)
    assert bob.post(f"{KEYS}/{row.pk}/revoke").status_code == 302
    row.refresh_from_db()
    assert row.revoked_at is not None


def client_sees(client: Client, path: str, row: ApiKey) -> bool:
    page = client.get(path).text
    return f"rpm-{row.pk}" in page or "alice&#x27;s key" in page or "Requests this minute" in page


def test_what_went_wrong_lately_is_on_the_keys_page(client: Client, alice: Registered) -> None:
    row, _ = create_key(alice.account, "k")
    assert "None so far" in client.get(f"{KEYS}/{row.pk}").text
    failed = log_inference(alice.account.pk, row.pk, status=Status.FAILED, http_status=502, error_code="bad_backend_answer")
    well = log_inference(alice.account.pk, row.pk)
    page = client.get(f"{KEYS}/{row.pk}").text
    assert str(failed.pk) in page
    assert "502 bad_backend_answer" in page
    assert str(well.pk) not in page


def test_a_revoked_key_is_under_revoked(client: Client, alice: Registered) -> None:
    create_key(alice.account, "kept")
    revoke_key(create_key(alice.account, "gone")[0])
    assert [name in client.get(KEYS).text for name in ("kept", "gone")] == [True, False]
    assert [name in client.get(f"{KEYS}?revoked").text for name in (">kept<", ">gone<")] == [False, True]
