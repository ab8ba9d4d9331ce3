"""Promise: what the account used and each of its inferences are read over REST, by its members and its management keys and by nobody else;
and the arithmetic of a cost adds up to the nano-dollar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.catalog.models import Price
from apps.core.ids import uuid7, uuid7_floor
from apps.usage.models import Inference, Status
from tests.api.managing import Caller, by_key, by_session, teammate_of
from tests.gateway.customers import new_model
from tests.gateway.database import Database, Ending
from tests.people import new_customer
from tests.usage.log import log_inference

USAGE, INFERENCES = "/api/v1/usage", "/api/v1/inferences"
INSIDERS: dict[str, Callable[[Registered], Caller]] = {
    "alice": lambda alice: by_session(alice.user),
    "her teammate bob": lambda alice: by_session(teammate_of(alice)),
    "her account's management key": lambda alice: by_key(alice.account),
}


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def call(alice: Registered) -> Caller:
    return by_key(alice.account)


@pytest.fixture
def database(database_url: str) -> Any:
    database = Database(database_url)
    yield database
    database.close()


def data(call: Caller, query: str) -> list[dict[str, Any]]:
    answer = call("GET", f"{INFERENCES}?{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["data"])


@pytest.mark.parametrize("who", INSIDERS)
def test_insiders_read_it(who: str, alice: Registered) -> None:
    row = log_inference(alice.account.pk)
    call = INSIDERS[who](alice)
    assert call("GET", USAGE).json()["total"]["requests"] == 1
    assert [one["id"] for one in call("GET", INFERENCES).json()["data"]] == [str(row.pk)]
    assert call("GET", f"{INFERENCES}/{row.pk}").json()["id"] == str(row.pk)


def test_for_outsiders_it_is_not_there(alice: Registered) -> None:
    key, secret = create_key(alice.account, "alice's")
    row = log_inference(alice.account.pk, key.pk)
    for call in (by_session(new_customer().user), by_key(new_customer().account)):
        assert call("GET", f"{USAGE}?group_by=key&key={key.pk}").json()["data"] == []
        assert call("GET", f"{INFERENCES}?key={key.pk}").json() == {"data": [], "next": None}
        answer = call("GET", f"{INFERENCES}/{row.pk}")
        missing = call("GET", f"{INFERENCES}/{uuid7()}")
        assert (
            (answer.status_code, answer.json()["error"]["code"]) == (404, missing.json()["error"]["code"]) == (404, "inference_not_found")
        )
    for address in (USAGE, INFERENCES, f"{INFERENCES}/{row.pk}"):
        assert Caller()("GET", address).status_code == 401
        assert Caller(key=secret)("GET", address).json()["error"]["code"] == "wrong_key_scope"


def test_usage_by_group_and_bucket(call: Caller, alice: Registered) -> None:
    account, model = alice.account.pk, new_model()
    key, _ = create_key(alice.account, "production")
    now = timezone.now()
    for ago, key_id, status in (
        (timedelta(), key.pk, 1),
        (timedelta(days=2), key.pk, 3),
        (timedelta(days=2), None, 2),
        (timedelta(days=8), None, 1),
    ):
        log_inference(account, key_id, model_id=model.id, status=status, settled_at=now - ago, cached_tokens=2, reasoning_tokens=3)
    week = call("GET", f"{USAGE}?range=7d&bucket=day&group_by=key&time_zone=Asia/Kolkata&latency=true").json()
    assert (week["time_zone"], week["bucket"]) == ("Asia/Kolkata", "day")
    assert week["start"].endswith("T18:30:00Z")
    assert week["total"] == {
        "requests": 3, "errors": 1, "input_tokens": 36, "cached_input_tokens": 6, "output_tokens": 102, "reasoning_tokens": 9, "cost": "0", "charged": "0",
    }  # fmt: skip
    assert week["previous"]["requests"] == 1
    assert [(point["requests"], point["key"] and point["key"]["name"]) for point in week["data"]] in (
        [(1, "production"), (1, None), (1, "production")],
        [(1, None), (1, "production"), (1, "production")],
    )
    assert week["data"][0]["latency"]["total"]["p50"] == pytest.approx(1670, rel=0.19)
    assert week["latency"]["first_token"]["p99"] == pytest.approx(310, rel=0.19)
    by_model = call("GET", f"{USAGE}?range=12m&bucket=month&group_by=model&model={model.name}").json()
    assert {point["model"] for point in by_model["data"]} == {model.name}
    assert sum(point["requests"] for point in by_model["data"]) == 4
    by_status = call("GET", f"{USAGE}?group_by=status&status=failed,cancelled&dialect=chat").json()
    assert [(point["status"], point["errors"]) for point in by_status["data"]] in (
        [("cancelled", 0), ("failed", 1)],
        [("failed", 1), ("cancelled", 0)],
    )
    assert [point["dialect"] for point in call("GET", f"{USAGE}?range=today&group_by=dialect&key={key.pk}").json()["data"]] == ["chat"]
    exact = call("GET", f"{USAGE}?start={(now - timedelta(days=3)).date()}&end={(now - timedelta(days=1)).date()}").json()
    assert exact["total"]["requests"] == 2


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("range=1y", "range"), ("start=yesterday", "start"), ("start=2026-01-02&end=2026-01-01", "end"), ("end=2026-01-01", "start"),
        ("start=2026-01-01&range=7d", "range"), ("start=1999-12-31", "start"), ("time_zone=Mars/Base", "time_zone"), ("time_zone=", "time_zone"),
        ("bucket=minute", "bucket"), ("range=90d&bucket=15m", "bucket"), ("group_by=account", "group_by"), ("model=none/such", "model"),
        ("key=abc", "key"), ("status=ok", "status"), ("dialect=", "dialect"), ("latency=yes", "latency"), ("key=" + ",".join("1" * 60), "key"),
    ],
)  # fmt: skip
def test_a_wrong_question_about_usage_names_its_parameter(call: Caller, query: str, param: str) -> None:
    answer = call("GET", f"{USAGE}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_pages_and_filters_of_the_log(call: Caller, alice: Registered) -> None:
    account, model = alice.account.pk, new_model()
    key, _ = create_key(alice.account, "production")
    old = log_inference(account, id=uuid7_floor(timezone.now() - timedelta(days=40)))
    rows = [old] + [
        log_inference(account, key.pk if n % 2 else None, model_id=model.id, total_ms=1000 * n, streamed=n == 3) for n in range(5)
    ]
    rows.append(log_inference(account, status=Status.FAILED, dialect=3))
    ids = [str(row.pk) for row in reversed(rows)]
    seen, cursor = [], ""
    while True:
        page = call("GET", f"{INFERENCES}?limit=3{cursor}").json()
        seen += [one["id"] for one in page["data"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids
    for query, expected in (
        (f"key={key.pk}", [ids[2], ids[4]]),
        (f"model={model.name}&key=0", [ids[1], ids[3], ids[5]]),
        ("status=failed", [ids[0]]),
        ("dialect=messages,completions", [ids[0]]),
        ("streaming=true", [ids[2]]),
        ("min_total_ms=3000&max_total_ms=4000", ids[1:3]),
        ("min_first_token_ms=311", []),
        ("min_first_token_ms=310&max_first_token_ms=310&limit=2", ids[:2]),
        (f"end={(timezone.now() - timedelta(days=1)).date()}", [ids[6]]),
        ("min_charged=0.000000001", []),
        ("max_charged=0&limit=2", ids[:2]),
    ):
        assert [one["id"] for one in data(call, query)] == expected, query


def test_a_page_looks_through_so_many_rows_and_no_more(call: Caller, alice: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.usage.log.LOOKED_THROUGH", 3)
    oldest = log_inference(alice.account.pk, status=Status.FAILED)
    for _ in range(5):
        log_inference(alice.account.pk)
    first = call("GET", f"{INFERENCES}?status=failed").json()
    assert first["data"] == []
    second = call("GET", f"{INFERENCES}?status=failed&cursor={first['next']}").json()
    assert [one["id"] for one in second["data"]] == [str(oldest.pk)]
    assert call("GET", f"{INFERENCES}?status=failed&cursor={second['next'] or oldest.pk}").json() == {"data": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        "cursor=abc",
        f"cursor={UUID(int=4 << 76)}",
        "limit=0",
        "min_charged=NaN",
        "max_charged=1e-10",
        "min_total_ms=-1",
        "max_first_token_ms=x",
        "streaming=1",
        "start=x",
    ],
)
def test_a_wrong_question_about_the_log_names_its_parameter(call: Caller, query: str) -> None:
    answer = call("GET", f"{INFERENCES}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(
    ("status", "usage", "cost"),
    [(Status.COMPLETED, (1001, 800, 321), 164_930 + 7), (Status.FAILED, (0, 0, 7), 2_800), (Status.CANCELLED, (10, 0, 1), 1000)],
)
def test_the_arithmetic_of_a_cost_adds_up(
    call: Caller, alice: Registered, database: Database, status: Status, usage: tuple[int, int, int], cost: int
) -> None:
    """At the prices of the example in docs/ledger.md; the last one was capped at its hold, and a part of each written off or paid by two."""
    model = new_model(prices={"input": "0.13", "output": "0.40", "cached_input": "0.013"})
    price = Price.objects.get(model_id=model.id)
    if status == Status.COMPLETED:
        price = Price.objects.create(
            model_id=model.id, input_pico=130_000, cached_input_pico=13_000, output_pico=400_000, request_pico=6_500
        )
    pools = [
        grant_credit(alice.account.pk, amount, kind, f"test:{uuid7()}").pool_id
        for amount, kind in ((600, PoolKind.PROMOTION), (cost - 650, PoolKind.PURCHASED))
    ]
    ending = Ending(
        uuid7(),
        alice.account.pk,
        cost=cost,
        status=status,
        price=price.pk,
        prompt_tokens=usage[0],
        cached_tokens=usage[1],
        completion_tokens=usage[2],
    )
    trial = database.rows(
        "SELECT coalesce(sum(remaining), 0) AS n FROM billing_creditpool WHERE account_id = %s AND NOT id = ANY (%s)",
        (alice.account.pk, pools),
    )[0].n
    assert trial == 0
    database.settle(ending)
    Inference.objects.filter(pk=ending.id).update(model_id=model.id)
    found = call("GET", f"{INFERENCES}/{ending.id}").json()
    assert found["model"] == model.name
    assert Decimal(found["charged"]) == Decimal(cost - 50) / 10**9
    total = sum(Decimal(line["amount"]) for line in found["lines"])
    assert total == Decimal(found["cost"]) == Decimal(cost) / 10**9
    for line in found["lines"]:
        assert Decimal(line["price"]) * line["quantity"] == Decimal(line["amount"])
    assert [(payment["pool"], payment["kind"]) for payment in found["payments"]] == list(
        zip(pools, ("promotion", "purchased"), strict=True)
    )
    assert sum(Decimal(payment["amount"]) for payment in found["payments"]) == Decimal(found["charged"])
    assert found["price"]["id"] == price.pk
    assert found["price"]["cached_input"] == "0.000000013"
    assert found["who_pays"]
