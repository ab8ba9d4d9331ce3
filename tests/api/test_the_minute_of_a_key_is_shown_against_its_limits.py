"""Promise: requests, tokens and open requests of the current minute are read against a key's limits while it works, and reading waits
for nobody's lock."""

from __future__ import annotations

import os

import psycopg
import pytest
from django.utils import timezone

from apps.accounts.models import Account
from apps.api_keys.actions import Limits
from apps.api_keys.models import Limiter
from tests.api.doors import Doors
from tests.api.managing import KEYS, by_key
from tests.fakes import FakeBackend
from tests.gateway.calls import offer, open_stream
from tests.gateway.customers import new_customer


@pytest.mark.money
def test_what_a_key_uses_now_and_has_spent(doors: Doors, backend: FakeBackend) -> None:
    customer = new_customer("10", Limits(rpm=60, tpm=5_000, max_concurrent=2))
    model = offer(doors.fast, backend.base_url)
    backend.reply(chunks=["a", "b"], prompt_tokens=40, completion_tokens=60)
    call, one = by_key(Account.objects.get(pk=customer.account_id)), f"{KEYS}/{customer.key_id}"
    idle = {"used": 0, "limit": 60, "left": 60}
    assert call("GET", f"{one}/usage").json() == {
        "requests": idle,
        "tokens": {"used": 0, "limit": 5_000, "left": 5_000},
        "concurrent": {"used": 0, "limit": 2, "left": 2},
    }
    assert call("GET", one).json()["last_used_at"] is None

    gate = backend.gate("before_chunk:1")
    before = timezone.now()
    with open_stream(doors.fast, customer.key, model.name, max_tokens=1_000) as answer:
        gate.wait_reached()
        now = call("GET", f"{one}/usage").json()
        assert now["requests"] == {"used": 1, "limit": 60, "left": 59}
        assert now["concurrent"] == {"used": 1, "limit": 2, "left": 1}
        assert 1_000 < now["tokens"]["used"] < 2_000
        assert now["tokens"]["left"] == 5_000 - now["tokens"]["used"]
        assert call("GET", one).json()["last_used_at"] >= before.isoformat()  # in use this moment
        gate.release()
        answer.read()
    [row] = customer.settled()
    ended = call("GET", f"{one}/usage").json()
    assert (ended["requests"]["used"], ended["tokens"]["used"], ended["concurrent"]["used"]) == (1, 100, 0)
    used = call("GET", one).json()
    assert (used["requests"], used["spent"], used["spent_this_month"]) == (1, "0.00016", "0.00016")  # 40 × $1 + 60 × $2 a million
    assert row.charged == 160_000
    assert used["last_used_at"] == row.admitted_at.isoformat().replace("+00:00", "Z")


def test_reading_waits_for_no_lock_and_counts_the_seconds_that_have_passed() -> None:
    customer = new_customer("0", Limits(rpm=60))
    second = int(timezone.now().timestamp()) - 30
    requests = [0] * 61
    requests[second % 61] = 5  # Postgres counts from one: slot number second % 61 + 1
    requests[(second - 50) % 61] = 7  # left the window twenty seconds ago
    Limiter.objects.create(
        key_id=customer.key_id, second=second, requests=requests, tokens=[0] * 61, requests_in_window=12, tokens_in_window=0, open=0
    )
    call = by_key(Account.objects.get(pk=customer.account_id))
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        other.execute("SELECT FROM accounts_account WHERE id = %s FOR UPDATE", (customer.account_id,))
        other.execute("SELECT FROM api_keys_limiter WHERE key_id = %s FOR UPDATE", (customer.key_id,))
        assert call("GET", f"{KEYS}/{customer.key_id}/usage").json()["requests"] == {"used": 5, "limit": 60, "left": 55}
        other.rollback()
