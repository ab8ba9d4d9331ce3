"""Promise: the bodies of all requests of a process have a bound together; what is beyond it is refused, and everybody else is served."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator

import pytest

from tests.fakes import FakeBackend
from tests.gateway.calls import ask, offer, post
from tests.gateway.customers import Customer
from tests.gateway.processes import GatewayProcess, gateways_running
from tests.gateway.test_a_connection_carries_any_requests_in_any_form import Answers, head
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.fakes.fixtures"]


@pytest.fixture(scope="module")
def narrow() -> Iterator[GatewayProcess]:
    with gateways_running(1, MAX_REQUEST_BYTES="2000000", MAX_BUFFERED_BYTES="3000000") as [gateway]:
        yield gateway


def test_a_crowd_of_large_bodies_is_refused_and_leaves_nothing_behind(
    narrow: GatewayProcess, backend: FakeBackend, customer: Customer
) -> None:
    model = offer(narrow, backend.base_url, context_length=1_000_000)
    text = json.dumps({"model": model.name, "max_tokens": 5, "messages": [{"role": "user", "content": "x" * 1_900_000}]}).encode()

    def arriving() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", narrow.port), timeout=30)
        connection.sendall(head(customer, f"Content-Length: {len(text)}") + text[:-1])
        return connection

    with arriving() as one, arriving() as other:
        [refused], _, _ = select.select([one, other], [], [], 30)  # whichever's bytes were read last
        status, headers, answer = Answers(refused).next()
        assert (status, json.loads(answer)["error"]["code"], headers["retry-after"]) == (503, "overloaded", "1")
        assert ask(narrow, customer.key, model.name, max_tokens=5).status == 200  # a small one has room
        served = other if refused is one else one
        served.sendall(text[-1:])
        status, _, answer = Answers(served).next()
        assert (status, json.loads(answer)["object"]) == (200, "chat.completion")
    for _ in range(4):  # what was refused, and what was answered, holds nothing any more
        assert post(narrow, customer.key, text).status == 200
    with arriving():
        pass  # gone before its end
    wait_for(lambda: post(narrow, customer.key, text).status == 200, what="the room of one that left")
