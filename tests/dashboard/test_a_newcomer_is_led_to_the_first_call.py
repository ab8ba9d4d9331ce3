"""Promise: while an account is new, /dashboard is a checklist that knows how far it has come, fills the new key into the snippets once,
and notices the first completed call; it can be skipped and taken up again."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.actions import Registered
from apps.api_keys import minting
from apps.api_keys.actions import create_key
from apps.api_keys.models import ApiKey, Scope
from apps.billing.payment_step import PaymentStep
from apps.billing.trial import promise_trial
from apps.dashboard import home, progress
from apps.dashboard.models import Onboarding
from apps.usage.models import Dialect, Status
from tests.api.managing import teammate_of
from tests.dashboard.browsing import HTMX, SECRET, logged_in, secret_in
from tests.people import new_customer
from tests.usage.log import log_inference

CALL = "/dashboard/onboarding/call"


@pytest.fixture(autouse=True)
def a_model_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests have left in the catalogue."""
    monkeypatch.setattr(home, "model_to_try", lambda: "tests/first")


@pytest.fixture
def alice() -> Registered:
    made = new_customer()
    promise_trial(made.account)
    return made


@pytest.fixture
def client(alice: Registered) -> Client:
    return logged_in(alice.user)


def steps(page: str) -> dict[str, bool]:
    """By title: whether it is done."""
    return {title: bool(done) for title, done in re.findall(r'<h2>([^<]+?)(<span class="visually-hidden"> \(done\)</span>)?</h2>', page)}


def test_the_whole_way(client: Client, alice: Registered) -> None:
    page = client.get("/dashboard").text
    assert steps(page) == {
        "Verify your email": True,
        "Add a payment method": True,
        "Receive trial credit": True,
        "Create an API key": False,
        "Call a model": False,
    }
    assert alice.user.email in page
    assert "takes no payments yet" in page
    assert "$5.00" in page

    made = client.post("/dashboard/onboarding/key", headers=HTMX)
    secret = secret_in(made.text)
    assert made.headers["Cache-Control"] == "no-store"
    assert made.text.count(secret) == 6  # to save, to download, and in four snippets
    row = ApiKey.objects.get(digest=minting.digest(secret))
    assert (row.name, row.scope, row.rpm, row.tpm, row.max_concurrent) == ("my-first-key", Scope.INFERENCE, 600, 1_000_000, 32)
    assert steps(made.text)["Create an API key"]
    assert f"{CALL}?asked=0" in made.text

    later = client.get("/dashboard").text
    assert not SECRET.search(later)
    assert "$AKASHML_API_KEY" in later
    assert row.last4 in later

    waiting = client.get(f"{CALL}?asked=0").text
    assert f"{CALL}?asked=1" in waiting
    assert "Waiting for the first call" in waiting
    log_inference(alice.account.pk, row.pk, status=Status.FAILED, http_status=502, error_code="bad_backend_answer")
    failed = client.get(f"{CALL}?asked=1").text
    assert "502 bad_backend_answer" in failed
    assert f"{CALL}?asked=2" in failed
    log_inference(alice.account.pk, row.pk)
    arrived = client.get(f"{CALL}?asked=2").text
    assert "Your first call came through" in arrived
    assert "You are set up" in arrived
    assert "hx-trigger" not in arrived  # nobody asks any more
    assert "Last inferences" in client.get("/dashboard").text
    assert all(steps(client.get("/dashboard/onboarding").text).values())


def test_calls_of_the_playground_or_of_others_are_not_the_first_call(client: Client, alice: Registered) -> None:
    other = new_customer()
    log_inference(other.account.pk, create_key(other.account, "k")[0].pk)
    log_inference(alice.account.pk, None, dialect=Dialect.PLAYGROUND)
    assert "Waiting for the first call" in client.get(CALL).text


def test_asking_becomes_rare_and_ends_and_costs_a_few_reads(client: Client, alice: Registered) -> None:
    create_key(alice.account, "k")
    client.get("/dashboard")
    delays = []
    for asked in (0, 58, 59, 155, 354):
        [delay] = re.findall(r"load delay:(\d+)s", client.get(f"{CALL}?asked={asked}").text)
        delays.append(int(delay))
    assert delays == [2, 2, 5, 15, 15]
    ended = client.get(f"{CALL}?asked=355").text
    assert "hx-trigger" not in ended
    assert "Look again" in ended
    assert sum((bound - before) * pause for (bound, pause), before in zip(home.PACE, (0, 60, 156), strict=True)) == 3_600
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(f"{CALL}?asked=5")
    statements = [query["sql"] for query in queries.captured_queries]
    assert len(statements) <= 6, statements
    assert not [sql for sql in statements if not sql.startswith("SELECT")]
    for odd in ("x", "-1", "9" * 40, ""):
        assert client.get(f"{CALL}?asked={odd}").status_code == 200


def test_it_can_be_skipped_and_taken_up_again(client: Client, alice: Registered) -> None:
    assert client.get("/dashboard/onboarding/skip").status_code == 405
    assert client.post("/dashboard/onboarding/skip").headers["location"] == "/dashboard"
    page = client.get("/dashboard").text
    assert "Last inferences" in page
    assert "/dashboard/onboarding" in page
    assert "Create key" in client.get("/dashboard/onboarding").text
    log_inference(alice.account.pk, create_key(alice.account, "k")[0].pk)
    assert "/dashboard/onboarding" not in client.get("/dashboard").text


def test_who_called_before_ever_looking_needs_no_checklist(client: Client, alice: Registered) -> None:
    log_inference(alice.account.pk, create_key(alice.account, "k")[0].pk)
    assert "Last inferences" in client.get("/dashboard").text


def test_an_account_is_led_not_each_of_its_members(client: Client, alice: Registered) -> None:
    Onboarding.objects.create(account=alice.account, first_call_at=alice.account.created_at)
    bob, charlie = logged_in(teammate_of(alice)), logged_in(new_customer().user)
    assert "Last inferences" in bob.get("/dashboard").text
    assert "Create an API key" in charlie.get("/dashboard").text
    for path in ("/dashboard", "/dashboard/onboarding", CALL):
        assert Client().get(path).headers["location"].startswith("/accounts/login/")
    for path in ("/dashboard/onboarding/key", "/dashboard/onboarding/skip"):
        assert Client().post(path).headers["location"].startswith("/accounts/login/")
        assert Client(enforce_csrf_checks=True).post(path).status_code == 403


def test_where_payments_are_taken_a_card_comes_before_the_credit(
    client: Client, alice: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.billing import trial

    def wanted(account_id: int) -> PaymentStep:
        return PaymentStep(offered=True, url="/settings/billing")

    monkeypatch.setattr(progress, "payment_step", wanted)
    monkeypatch.setattr(trial, "payment_step", wanted)
    page = client.get("/dashboard").text
    assert steps(page)["Add a payment method"] is False
    assert steps(page)["Receive trial credit"] is False
    assert 'href="/settings/billing"' in page


def test_without_a_model_it_says_so(client: Client, alice: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key(alice.account, "k")
    monkeypatch.setattr(home, "model_to_try", lambda: None)
    page = client.get("/dashboard").text
    assert "No model can be called yet" in page


def test_the_overview_shows_balance_keys_and_last_requests(client: Client, alice: Registered) -> None:
    client.get("/dashboard")
    row, _ = create_key(alice.account, "<i>odd</i>")
    done = log_inference(alice.account.pk, row.pk)
    log_inference(alice.account.pk, 10**12, model_id=10**12, first_token_ms=None, status=Status.LOST)  # of what is gone
    other = log_inference(new_customer().account.pk)
    page = client.get("/dashboard").text
    assert "$5.00" in page
    assert str(done.pk) in page
    assert str(other.pk) not in page
    assert "&lt;i&gt;odd&lt;/i&gt;" in page
    assert "1.67" in page
    assert "0.31" in page
