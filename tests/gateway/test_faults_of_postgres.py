"""Promise (acceptance 30, in short): while Postgres is away requests get a 503 that says when to come again, open streams wait for
their settlement and then end well, and everything goes on by itself when it is back. No hold is forgotten, no charge is lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.db import connections

from apps.gateway.ledger_check import violations
from apps.usage.models import Status as Ended
from tests.fakes import FakeBackend
from tests.gateway.calls import Answer, ask, http, open_stream
from tests.gateway.customers import Customer, new_customer, new_model
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for
from tests.servers import OwnServer

pytest_plugins = ["tests.fakes.fixtures"]

LONGEST_S = 8.0  # what a request may wait before it is told to come again


@pytest.fixture
def own_database(own_postgres: OwnServer) -> Iterator[OwnServer]:
    """Django's default connection leads to the test's own Postgres until it ends."""
    ordinary = connections["default"]
    own = connections.create_connection("default")
    parts = urlsplit(own_postgres.url)
    place = {"NAME": parts.path.lstrip("/"), "HOST": unquote(parse_qs(parts.query)["host"][0]), "PORT": str(parts.port)}
    own.settings_dict = ordinary.settings_dict | place | {"USER": parts.username}
    connections["default"] = own
    yield own_postgres
    own.close()
    connections["default"] = ordinary


def test_postgres_killed_under_load_costs_a_503_and_nothing_else(
    gateways: Callable[..., list[GatewayProcess]], own_database: OwnServer, backend: FakeBackend
) -> None:
    customer = new_customer("10")
    model = new_model(backend.base_url)  # before the process starts, which reads it then
    [gateway] = gateways(1, DATABASE_URL=own_database.url, LEASE_S="3")
    backend.reply(chunks=["a", "b"], prompt_tokens=100, completion_tokens=50)
    assert ask(gateway, customer.key, model.name).status == 200

    gate = backend.gate("before_done", when=lambda record: record.fields.get("stream") is True)
    answers: list[Answer] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            started = time.monotonic()
            answers.append(ask(gateway, customer.key, model.name))
            assert time.monotonic() - started < LONGEST_S

    with ThreadPoolExecutor(4) as pool, open_stream(gateway, customer.key, model.name) as stream:
        gate.wait_reached()
        callers = [pool.submit(load) for _ in range(4)]
        wait_for(lambda: len(answers) >= 20, what="requests under way")
        own_database.kill()
        connections["default"].close()
        wait_for(lambda: sum(answer.status == 503 for answer in answers) >= 5, what="refusals")
        assert http.get(f"{gateway.url}/healthz").status_code == 200
        gate.release()  # the stream's answer is complete now, but cannot be charged
        own_database.start()
        wait_for(lambda: answers[-1].status == 200, 20, "answers after the restart")
        assert stream.read().endswith(b"data: [DONE]\n\n")
        stop.set()
        for caller in callers:
            caller.result()

    assert set(Counter(answer.status for answer in answers)) == {200, 503}
    for answer in answers:
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.error["code"] == "service_unavailable"
    everything_is_settled(customer, 1 + 1 + sum(answer.status == 200 for answer in answers))


def everything_is_settled(customer: Customer, completed: int) -> None:
    """No hold is left although nobody restarted the gateway, and who got an answer was charged for it, once."""
    wait_for(lambda: not customer.holds, what="no hold left")
    rows = customer.inferences
    finished = [row for row in rows if row.status == Ended.COMPLETED]
    assert len(finished) == completed
    assert {row.charged for row in finished} == {200_000}
    assert customer.balance == 10 * 10**9 - sum(row.charged for row in rows)
    assert customer.held == 0
    assert violations() == []
