"""Through the slow door too, a client that goes away stops its backend within a second, and its hold is freed."""

from __future__ import annotations

import socket

import httpx
import pytest

from apps.usage.models import Status
from tests.api.doors import CHAT, Doors, bearer, chat
from tests.fakes import hang
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money

SOON_S = 20.0


def gone_soon(backend: FakeBackend, customer: Customer) -> None:
    """Long before the backend itself would be given up; a second is promised on a machine that is not busy."""
    backend.wait_for(lambda: backend.open == 0, timeout=SOON_S)
    wait_for(lambda: not customer.holds, SOON_S, "the hold is freed")
    [row] = customer.settled()
    assert row.status == Status.CANCELLED
    assert customer.held == 0


def test_in_the_middle_of_a_stream(doors: Doors, backend: FakeBackend, customer: Customer) -> None:
    backend.reply(chunks=["one ", "two ", "three"], at={"before_chunk:2": hang})
    model = offer(doors.slow, backend.base_url).name
    with httpx.stream("POST", doors.slow.url + CHAT, json=chat(model, stream=True), headers=bearer(customer)) as response:
        lines = response.iter_lines()
        while "two" not in next(lines):
            pass
        assert customer.held > 0
    gone_soon(backend, customer)
    [row] = customer.inferences
    assert row.completion_tokens == 2  # what had been generated is paid


@pytest.mark.parametrize("stream", [False, True])
def test_before_the_first_byte(stream: bool, doors: Doors, backend: FakeBackend, customer: Customer) -> None:
    backend.reply(at={"before_headers": hang})
    model = offer(doors.slow, backend.base_url).name
    with httpx.Client(timeout=60) as client:
        request = client.build_request("POST", doors.slow.url + CHAT, json=chat(model, stream=stream), headers=bearer(customer))
        host, port = request.url.host, request.url.port
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        with socket.create_connection((host, port)) as connection:
            connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
            backend.wait_for(lambda: backend.open == 1)
            assert customer.held > 0
    gone_soon(backend, customer)


def sent_until_it_stands_still(backend: FakeBackend) -> int:
    """Bytes the backend could send before half a second passed without any."""
    while True:
        sent = backend.last.bytes_sent
        try:
            backend.wait_for(lambda: backend.last.bytes_sent > sent, timeout=0.5)  # noqa: B023  called here and now
        except TimeoutError:
            return sent


def test_a_client_that_does_not_read_holds_its_backend_back(doors: Doors, customer: Customer) -> None:
    """Backpressure: what the backend could send at once is more than all the buffers between it and the client take."""
    size, count = 100_000, 600
    unread = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)])
    with FakeBackend(send_buffer=256 * 1024) as backend, httpx.Client(transport=unread, timeout=30) as client:
        backend.reply(chunks=["x" * size] * count)
        model = offer(doors.slow, backend.base_url).name
        with client.stream("POST", doors.slow.url + CHAT, json=chat(model, stream=True), headers=bearer(customer)) as response:
            pieces = response.iter_raw()
            next(pieces)
            assert sent_until_it_stands_still(backend) < size * count * 2 / 3
            assert sum(map(len, pieces)) > size * (count - 1)  # and goes on when the client does
        [row] = customer.settled()
        assert row.status == Status.COMPLETED
        assert row.completion_tokens == count
