"""Promise: the page of a request shows how its cost came about, line by line, to the last digit: the lines add up to what was charged."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.catalog.pricing import Usage, cost_nano
from apps.catalog.queries import rates_of
from apps.core.ids import uuid7
from apps.core.money import usd_from_nano
from apps.usage.models import Inference, Status
from tests.dashboard.browsing import HTMX, logged_in
from tests.dashboard.history import priced_model, request_at
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]

LINE = re.compile(r'<li(?: class="total")?><span>([^<]*)</span><span>([^<]*)</span><span>([^<]*)</span></li>')


@pytest.fixture
def alice() -> Registered:
    return new_customer()


def bill(client: Client, row: Inference) -> list[tuple[str, str, Decimal]]:
    page = client.get(f"/inferences/{row.pk}")
    lines = [
        (item, unescape(factors), Decimal(amount.replace("$", "").replace("\N{MINUS SIGN}", "-")))
        for item, factors, amount in LINE.findall(page.text)
    ]
    *parts, (last, _, charged) = lines
    assert last == "Charged"
    assert sum(amount for _, _, amount in parts) == charged == Decimal(usd_from_nano(row.charged))
    return lines


def ended(alice: Registered, cost: int | None = None, **fields: object) -> Inference:
    model = priced_model(input_pico=37_500, output_pico=490_000, cached_input_pico=3_750, request_pico=1_000_000_000)
    rates = rates_of(model.prices.get())
    tokens = {"prompt_tokens": 18_241, "cached_tokens": 14_336, "completion_tokens": 1_286, "reasoning_tokens": 5}
    if cost is None:
        cost = cost_nano(Usage(18_241, 1_286, 14_336, 5), rates)
    row = {"model_id": model.pk, "price_id": rates.price_id, "cost": cost, "charged": cost, **tokens}
    return request_at(alice.account, timedelta(minutes=1), **row | fields)


def test_completed(alice: Registered) -> None:
    lines = bill(logged_in(alice.user), ended(alice))
    assert [(item, factors) for item, factors, _ in lines] == [
        ("Input", "3,905 × $0.0375/M"),
        ("Input, cached", "14,336 × $0.00375/M"),
        ("Output", "1,286 × $0.49/M"),
        ("Request", ""),
        ("Rounding up to a nano-dollar", ""),
        ("Charged", ""),
    ]


def test_a_failure_charges_the_output_that_was_delivered_alone(alice: Registered) -> None:
    row = ended(alice, cost=100 * 490, status=Status.FAILED, prompt_tokens=0, cached_tokens=0, reasoning_tokens=0, completion_tokens=100)
    assert [item for item, _, _ in bill(logged_in(alice.user), row)] == ["Output", "Charged"]


def test_what_was_taken_off_is_a_line_too(alice: Registered) -> None:
    client = logged_in(alice.user)
    bill(client, ended(alice, cost=1_000, status=Status.CANCELLED, estimated=True))  # never above the hold
    written_off = bill(client, ended(alice, charged=7))
    assert "Written off by the platform" in [item for item, _, _ in written_off]
    bill(client, ended(alice, price_id=0, cost=123_456_789, charged=123_456_789))  # its price is gone


def test_who_paid_and_what_else_is_known(alice: Registered) -> None:
    key, _ = create_key(alice.account, "production")
    trial = grant_credit(alice.account.pk, 10**9, PoolKind.TRIAL, f"test:{uuid7()}").pool_id
    promotion = grant_credit(alice.account.pk, 10**9, PoolKind.PROMOTION, f"test:{uuid7()}").pool_id
    row = ended(
        alice,
        key_id=key.pk,
        paid_pools=[trial, promotion, trial],
        paid_amounts=[1_000, 2_000, 500],
        streamed=True,
        queue_ms=3,
        first_token_ms=403,
        total_ms=10_403,
        finish_reason="tool_calls",
        error_code="",
    )
    client = logged_in(alice.user)
    whole, panel = client.get(f"/inferences/{row.pk}").text, client.get(f"/inferences/{row.pk}", headers=HTMX).text
    assert "<html" in whole
    assert "<html" not in panel
    for text in (whole, panel):
        for words in ("Paid by trial credit", 'value="0.0000015"', "Paid by promotion credit", 'value="0.000002"'):
            assert words in text, words
        for words in ("3\N{NO-BREAK SPACE}ms", "0.40\N{NO-BREAK SPACE}s", "10.0\N{NO-BREAK SPACE}s", "128.6 tokens/s"):
            assert words in text, words
        for words in ("production", "tool_calls", "the actual usage is charged", "Price version", "not stored"):
            assert words in text, words
