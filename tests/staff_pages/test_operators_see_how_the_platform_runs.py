"""Promise: operators see requests, errors, speed and money of all accounts by model and backend; everybody sees the status of each model."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.catalog.actions import save_backend
from apps.catalog.models import Backend, Model
from apps.staff import health, operations, status
from apps.usage import platform, rollups
from apps.usage.models import Status
from tests.gateway.customers import new_model
from tests.payments.shop import wait_until
from tests.people import new_customer
from tests.servers import OwnServer
from tests.staff_pages.roles import browser_of, member_of
from tests.usage.log import log_inference


def folded(model: Model, requests: int) -> bool:
    rollups.fold()
    platform.fold()
    edges = operations.ranges.last(operations.RANGES["24h"][1], operations.database_now(), operations.UTC).edges(operations.Bucket.HOUR)
    return sum(cell.totals.requests for cell in platform.cells(edges, model.pk)) == requests


@pytest.fixture
def served(own_database: OwnServer) -> tuple[Model, Backend]:
    """A model of its own, with three requests: one went well, one failed by a fault, one was refused by its backend. In a database of its
    own: what is folded once is expected to have been folded by all who log something of the past."""
    model = Model.objects.get(pk=new_model(prices={"input": "1", "output": "2"}).id)
    Backend.objects.filter(model=model).delete()
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    account = new_customer().account.pk
    kinds: list[dict[str, Any]] = [
        {"cost": 80_000, "charged": 80_000},
        {"status": Status.FAILED, "http_status": 502},
        {"status": Status.FAILED, "http_status": 400},
    ]
    for kind in kinds:
        log_inference(account, model_id=model.pk, backend_id=backend.pk, **kind)
    wait_until(lambda: folded(model, 3))
    return model, backend


def test_the_dashboard_sums_up_all_accounts(served: tuple[Model, Backend]) -> None:
    model, _ = served
    client = browser_of(member_of("operator"))
    for name in (*operations.RANGES, "nonsense"):
        answer = client.get("/admin/operations/", {"range": name})
        assert answer.status_code == 200, name
    rows = {row.name: row for row in answer.context["models"]}
    assert (rows[model.public_id].totals.requests, rows[model.public_id].totals.faults) == (3, 1)
    assert any(row.note == f"{model.public_id}, 0 running" for row in answer.context["backends"])
    assert model.public_id in answer.content.decode()
    assert browser_of(member_of("support")).get("/admin/operations/").status_code == 403
    assert client.get("/admin/").content.decode().count("/admin/operations/") >= 1


def test_cost_and_margin_stand_beside_revenue(served: tuple[Model, Backend]) -> None:
    model, backend = served
    client = browser_of(member_of("operator"))

    def rows() -> list[operations.Row]:
        context = client.get("/admin/operations/").context
        return [row for row in (*context["models"], *context["backends"]) if model.public_id in (row.name, row.note.split(",")[0])]

    assert [row.margin for row in rows()] == [None, None]
    for of_input, of_output in ((400_001, 7), (10**9, 10**9)):
        Backend.objects.filter(pk=backend.pk).update(input_cost_pico=of_input, output_cost_pico=of_output)
        of_model, of_backend = rows()
        assert of_model.margin == of_backend.margin is not None
        totals = of_model.totals
        assert totals.charged == 80_000
        assert of_model.margin.cost == -(-(totals.prompt_tokens * of_input + totals.completion_tokens * of_output) // 1000)
        assert of_model.margin.gain == totals.charged - of_model.margin.cost
    assert ">loss</span>" in client.get("/admin/operations/").content.decode()


def test_what_waits_too_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {lag.name for lag in health.lags()} == {name for name, _, _ in health.QUEUES}
    monkeypatch.setattr(health, "QUEUES", [("Something", "SELECT 3, 61", 60), ("Nothing", "SELECT 0, NULL", 60)])
    assert [(lag.waiting, lag.seconds, lag.late) for lag in health.lags()] == [(3, 61, True), (0, None, False)]
    assert "1 late" in browser_of(member_of("operator")).get("/admin/operations/").content.decode()


def test_everybody_sees_the_status_of_each_model(served: tuple[Model, Backend]) -> None:
    model, backend = served
    for alive, look in ((True, "ok"), (False, "bad")):
        Backend.objects.filter(pk=backend.pk).update(probe_ok=alive)
        status.forget()
        answer = Client().get("/status")
        [seen] = [one for one in answer.context["status"].models if one.name == model.public_id]
        assert (seen.look, seen.uptime.split("\N{NO-BREAK SPACE}")[0]) == (look, "66.66")
        assert seen.days[-1].look == "bad"  # two of three
        assert seen.days[0].look == "none"
        assert seen.first_token is not None
    Model.objects.filter(pk=model.pk).update(is_active=False)
    status.forget()
    answer = Client().get("/status/")
    assert model.public_id not in answer.content.decode()
    assert "127.0.0.1:9" not in answer.content.decode()  # nor any address of a backend
