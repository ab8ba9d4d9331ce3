"""Where no lifespan starts the gateway (daphne's runserver, WSGI), the first request does, and the answers are those of the fast door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from apps.usage.models import Status
from tests.api.django_servers import COMMANDS, DjangoServer, django_server
from tests.api.doors import CHAT, Doors, bearer, chat, seen
from tests.fakes import hang
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money
# What a server says about the connection is its own affair.
OF_THE_SERVER = {"transfer-encoding"}


@pytest.fixture(scope="module", params=list(COMMANDS))
def server(request: pytest.FixtureRequest) -> Iterator[DjangoServer]:
    with django_server(request.param) as running:
        yield running


@pytest.mark.parametrize(
    "fields", [{}, {"stream": True}, {"temperature": 3}, {"model": "nobody/nothing"}], ids=["whole", "stream", "400", "404"]
)
def test_it_answers_like_the_fast_door(
    fields: dict[str, object], server: DjangoServer, doors: Doors, backend: FakeBackend, customer: Customer
) -> None:
    backend.reply("one two three")
    body = {**chat(offer([doors.fast, server], backend.base_url).name), **fields}
    fast, slow = (
        seen(httpx.post(address + CHAT, json=body, headers=bearer(customer), timeout=60)) for address in (doors.fast.url, server.url)
    )
    assert (slow.status, slow.body) == (fast.status, fast.body)
    assert {**slow.headers} == {name: value for name, value in fast.headers.items() if name in slow.headers}
    assert fast.headers.keys() - slow.headers.keys() <= OF_THE_SERVER


def test_a_stream_comes_piece_by_piece(server: DjangoServer, backend: FakeBackend, customer: Customer) -> None:
    backend.reply("one two three")
    gate = backend.gate("before_chunk:1")
    body = chat(offer(server, backend.base_url).name, stream=True)
    with httpx.stream("POST", server.url + CHAT, json=body, headers=bearer(customer), timeout=60) as response:
        lines = (line for line in response.iter_lines() if line)
        seen_before = [next(lines), next(lines)]  # the role and the first word, while the rest is held back
        assert "one" in json.loads(seen_before[1].removeprefix("data: "))["choices"][0]["delta"]["content"]
        gate.release()
        rest = list(lines)
    assert rest[-1] == "data: [DONE]"
    [row] = customer.settled()
    assert row.status == Status.COMPLETED


def test_many_at_once_all_get_their_own_answer(server: DjangoServer, backend: FakeBackend, customer: Customer) -> None:
    model = offer(server, backend.base_url).name
    count = 16

    def ask(number: int) -> int:
        words = {"role": "user", "content": f"#tokens={number}"}
        response = httpx.post(server.url + CHAT, json={"model": model, "messages": [words]}, headers=bearer(customer), timeout=60)
        return int(response.json()["usage"]["completion_tokens"])

    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(ask, range(1, count + 1))) == list(range(1, count + 1))
    assert sum(row.completion_tokens for row in customer.settled(count)) == sum(range(1, count + 1))


def test_a_reader_that_leaves_a_stream_is_noticed(server: DjangoServer, backend: FakeBackend, customer: Customer) -> None:
    """At once under ASGI; under WSGI, whose servers notice it when they write, with the next pieces."""
    backend.reply(chunks=["x" * 50_000] * 200, delay_s=0.02, at={"before_finish": hang})
    body = chat(offer(server, backend.base_url).name, stream=True)
    with httpx.stream("POST", server.url + CHAT, json=body, headers=bearer(customer), timeout=60) as response:
        next(response.iter_raw())
    backend.wait_for(lambda: backend.open == 0)
    wait_for(lambda: not customer.holds, 1.0, "the hold is freed")
    [row] = customer.settled()
    assert row.status == Status.CANCELLED
    assert backend.last.chunks_sent < 200
