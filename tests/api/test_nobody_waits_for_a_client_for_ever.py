"""A body that does not come and an answer that is not read end after a time of ours, through both doors."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from apps.api_keys.minting import mint
from apps.usage.models import Status
from tests.api.doors import CHAT, Doors, bearer, chat
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer
from tests.gateway.processes import GatewayProcess, gateways_running

pytestmark = pytest.mark.money

PATIENCE = {"BODY_TIMEOUT_S": "1", "CLIENT_IDLE_S": "1", "BACKEND_TIMEOUT_S": "60"}
DOORS = ["fast", "slow"]


@pytest.fixture(scope="module")
def impatient() -> Iterator[Doors]:
    with gateways_running(1, SERVE="all", **PATIENCE) as [fast], gateways_running(1, SERVE="pages", **PATIENCE) as [slow]:
        yield Doors(fast, slow)


def answer_to(door: GatewayProcess, headers: dict[str, str], *, length: int, drips: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a request whose body does not come, or comes in drips."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "localhost", "content-length": str(length), **headers}.items())
    with socket.create_connection(("127.0.0.1", door.port)) as connection:
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{lines}\r\n".encode())
        connection.settimeout(0.1)
        received = b""
        deadline = time.monotonic() + 40
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            assert time.monotonic() < deadline, received
            try:
                received += connection.recv(65536)
            except TimeoutError:
                if drips:
                    connection.sendall(b" ")
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}, body


@pytest.mark.parametrize("drips", [False, True], ids=["nothing comes", "a byte comes now and then"])
@pytest.mark.parametrize("door", DOORS)
def test_a_body_that_takes_too_long_is_refused(door: str, drips: bool, impatient: Doors, customer: Customer) -> None:
    status, headers, body = answer_to(getattr(impatient, door), bearer(customer), length=1_000, drips=drips)
    assert status == 408
    assert headers["content-type"] == "application/json"
    assert "inference-id" in headers
    assert headers["connection"] == "close"
    assert json.loads(body)["error"]["code"] == "request_timeout"


def test_a_stranger_is_refused_before_the_body_is_read(impatient: Doors) -> None:
    status, _, body = answer_to(impatient.fast, {"authorization": f"Bearer {mint()}"}, length=1_000)
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("door", DOORS)
def test_an_answer_that_nobody_reads_ends_and_pays_for_what_was_generated(door: str, impatient: Doors, customer: Customer) -> None:
    process: GatewayProcess = getattr(impatient, door)
    unread = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)])
    count = 600  # of 100 kB: more than all the buffers between the backend and the client take
    with FakeBackend(send_buffer=256 * 1024) as backend, httpx.Client(transport=unread, timeout=60) as client:
        backend.reply(chunks=["x" * 100_000] * count)
        model = offer(impatient.both, backend.base_url).name
        with client.stream("POST", process.url + CHAT, json=chat(model, stream=True), headers=bearer(customer)) as response:
            pieces = response.iter_raw()
            next(pieces)
            backend.wait_for(lambda: backend.open == 0, timeout=40)
            [row] = customer.settled()
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):  # it does not end like a complete one
                list(pieces)
    assert (row.status, row.error_code) == (Status.CANCELLED, "client_disconnected")
    assert 0 < row.completion_tokens < count * 25_000
    assert customer.held == 0
