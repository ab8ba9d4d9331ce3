"""A connection of a client may hold what HTTP/1 allows: requests one behind the other before the first is answered, for the hot
addresses and for others; bodies in pieces and in chunks; HTTP/1.0; a question whether to go on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.fakes import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer, TestModel
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.fakes.fixtures"]
pytestmark = pytest.mark.money


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    backend.reply("one two three", prompt_tokens=3)
    return offer(gateway, backend.base_url)


@pytest.fixture
def connection(gateway: GatewayProcess) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connected:
        yield connected


def body(model: TestModel, **fields: object) -> bytes:
    return json.dumps({"model": model.name, "messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def head(customer: Customer, *lines: str, version: str = "1.1", path: str = "/v1/chat/completions") -> bytes:
    fixed = [f"POST {path} HTTP/{version}", "Host: localhost", f"Authorization: Bearer {customer.key}", "Content-Type: application/json"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def request(customer: Customer, model: TestModel, *lines: str, version: str = "1.1", **fields: object) -> bytes:
    text = body(model, **fields)
    return head(customer, f"Content-Length: {len(text)}", *lines, version=version) + text


class Answers:
    """Reads answers off a connection, one by one."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def next(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        if status == 100:
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(self._file.readline(), 16):
                pieces.append(self._file.read(size))
                self._file.readline()
            self._file.readline()
            return status, headers, b"".join(pieces)
        return status, headers, self._file.read(int(headers["content-length"])) if "content-length" in headers else self._file.read()

    def at_end(self) -> bool:
        return self._file.read(1) == b""


def text_of(answer: bytes) -> str:
    return json.loads(answer)["choices"][0]["message"]["content"]


def test_requests_sent_at_once_are_answered_in_their_order(connection: socket.socket, customer: Customer, model: TestModel) -> None:
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connection.sendall(
        request(customer, model) + health + request(customer, model, stream=True) + b"".join([request(customer, model)] * 3) + health
    )
    answers = Answers(connection)
    assert text_of(answers.next()[2]) == "one two three"
    assert answers.next()[2] == b"ok\n"
    assert answers.next()[2].endswith(b"data: [DONE]\n\n")
    assert [text_of(answers.next()[2]) for _ in range(3)] == ["one two three"] * 3
    assert answers.next()[2] == b"ok\n"
    assert len(customer.settled(5)) == 5


def test_of_a_client_that_leaves_only_the_request_that_ran_is_charged(
    connection: socket.socket, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    connection.sendall(request(customer, model, stream=True) + b"".join([request(customer, model)] * 50))
    Answers(connection).next()
    connection.close()
    wait_for(lambda: not customer.holds, what="everything settled")
    assert 1 <= len(customer.inferences) < 51


def test_a_body_may_come_in_pieces_and_in_chunks(connection: socket.socket, customer: Customer, model: TestModel) -> None:
    answers = Answers(connection)
    whole = request(customer, model)
    for start in range(0, len(whole), 40):
        connection.sendall(whole[start : start + 40])
    assert text_of(answers.next()[2]) == "one two three"
    text = body(model)
    connection.sendall(head(customer, "Transfer-Encoding: chunked"))
    for part in (text[:10], text[10:], b""):
        connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
    assert text_of(answers.next()[2]) == "one two three"


def test_a_client_that_asks_whether_to_go_on_is_told(connection: socket.socket, customer: Customer, model: TestModel) -> None:
    text = body(model)
    connection.sendall(head(customer, f"Content-Length: {len(text)}", "Expect: 100-continue"))
    answers = Answers(connection)
    assert answers.next()[0] == 100
    connection.sendall(text)
    assert text_of(answers.next()[2]) == "one two three"


@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0_gets_an_answer_without_chunks_that_ends_with_the_connection(
    connection: socket.socket, customer: Customer, model: TestModel, stream: bool
) -> None:
    connection.sendall(request(customer, model, version="1.0", stream=stream))
    answers = Answers(connection)
    status, headers, answer = answers.next()
    assert status == 200
    assert "transfer-encoding" not in headers
    assert answer.endswith(b"data: [DONE]\n\n") if stream else text_of(answer) == "one two three"
    assert answers.at_end()


def test_a_connection_that_is_to_be_closed_is_closed(connection: socket.socket, customer: Customer, model: TestModel) -> None:
    connection.sendall(request(customer, model, "Connection: close"))
    answers = Answers(connection)
    _, headers, answer = answers.next()
    assert headers["connection"] == "close"
    assert text_of(answer) == "one two three"
    assert answers.at_end()


def test_an_answer_follows_a_refusal_on_the_same_connection(connection: socket.socket, customer: Customer, model: TestModel) -> None:
    answers = Answers(connection)
    connection.sendall(request(customer, model, temperature=9))
    assert answers.next()[0] == 400
    connection.sendall(request(customer, model, "Upgrade: h2c", "X-Odd: 1"))
    assert text_of(answers.next()[2]) == "one two three"
