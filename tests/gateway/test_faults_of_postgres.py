"""Promise (acceptance 30): while Postgres is away requests get a 503 that says when to come again, open streams run on and end well,
and everything goes on by itself when it is back. No hold is forgotten, and no answer that ended is charged less than it cost or
twice, whatever happens to its process meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

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

LONGEST_S = 20.0  # a request waits a few seconds before it is told to come again, longer on a busy machine


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
        try:
            wait_for(lambda: len(answers) >= 20, what="requests under way")
            own_database.kill()
            connections["default"].close()
            wait_for(lambda: sum(answer.status == 503 for answer in answers) >= 5, what="refusals")
            assert http.get(f"{gateway.url}/healthz").status_code == 200
            gate.release()
            assert stream.read().endswith(b"data: [DONE]\n\n")  # Postgres is still away
            own_database.start()
            wait_for(lambda: answers[-1].status == 200, what="answers after the restart")
        finally:
            stop.set()
        for caller in callers:
            caller.result()

    assert set(Counter(answer.status for answer in answers)) == {200, 503}
    for answer in answers:
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.error["code"] == "service_unavailable"
    everything_is_settled(customer, 1 + 1 + sum(answer.status == 200 for answer in answers))


@pytest.mark.parametrize("how", ["kill -9", "SIGTERM"])
def test_what_ended_while_postgres_was_away_is_charged_though_its_process_ended_too(
    how: str, gateways: Callable[..., list[GatewayProcess]], own_database: OwnServer, backend: FakeBackend
) -> None:
    customer = new_customer("10")
    model = new_model(backend.base_url)
    environment = {"DATABASE_URL": own_database.url, "LEASE_S": "3"}
    [gateway] = gateways(1, **environment)
    backend.reply(chunks=["a", "b"], prompt_tokens=100, completion_tokens=50)
    last = backend.gate("before_done")
    body = backend.gate("before_body", when=lambda record: not record.fields.get("stream"))
    with ThreadPoolExecutor(8) as pool, ExitStack() as stack:
        streams = [stack.enter_context(open_stream(gateway, customer.key, model.name)) for _ in range(3)]
        wholes = [pool.submit(ask, gateway, customer.key, model.name) for _ in range(3)]
        cut_short = stack.enter_context(open_stream(gateway, customer.key, model.name))
        last.wait_reached(4)
        body.wait_reached(3)
        wait_for(lambda: [hold.checkpoint_completion_tokens for hold in customer.holds].count(2) == 4, what="checkpoints of the streams")
        own_database.kill()
        connections["default"].close()
        last.release(3)
        body.release()
        ended = [stream.read() for stream in streams]
        assert [text.endswith(b"data: [DONE]\n\n") for text in ended] == [True] * 3
        assert [whole.result().status for whole in wholes] == [200] * 3
        if how == "SIGTERM":
            gateway.terminate()
            assert b"gateway_stopping" in cut_short.read()  # after DRAIN_S, settled on disk
            gateway.wait_ended()
        else:
            gateway.kill()
        last.release()
    own_database.start()
    gateways(1, **environment)
    everything_is_settled(customer, 6)
    [other] = [row for row in customer.inferences if row.status != Ended.COMPLETED]
    assert other.status == (Ended.FAILED if how == "SIGTERM" else Ended.LOST)
    assert other.completion_tokens == 2


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
