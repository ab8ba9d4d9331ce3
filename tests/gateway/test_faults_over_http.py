"""Promise (acceptance 31): whatever a backend sends or leaves out, the client gets correct text or a clean error within bounded
time, pays for nothing that did not reach it, and its slot and credit are free again."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from apps.api_keys.actions import Limits
from apps.usage.models import Status as Ended
from tests.fakes import OMIT, FakeBackend, Raw, Reply, Status, close, finish, hang, reset, sse
from tests.fakes.reply import Sse
from tests.gateway.calls import MESSAGES, Answer, ask, offer
from tests.gateway.customers import Customer, TestModel, new_customer
from tests.gateway.processes import GatewayProcess

pytest_plugins = ["tests.fakes.fixtures"]

# Seconds: what a backend may be silent for in these tests, and what any answer may take on a busy machine.
SILENCE_S = 0.7
LONGEST_S = 20.0
TIMEOUTS = {"first_byte_timeout_s": SILENCE_S, "idle_timeout_s": SILENCE_S, "connect_timeout_s": SILENCE_S}


@pytest.fixture
def customer() -> Customer:
    """Has one slot: whatever keeps it would fail the next request."""
    return new_customer("10", Limits(max_concurrent=1))


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    return offer(gateway, backend.base_url, backend_fields=TIMEOUTS)


def timed(gateway: GatewayProcess, customer: Customer, model: TestModel, **fields: Any) -> Answer:
    started = time.monotonic()
    answer = ask(gateway, customer.key, model.name, **fields)
    assert time.monotonic() - started < LONGEST_S
    return answer


def everything_is_free_again(gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend) -> None:
    """No hold, the slot is free, the backend has no request left, and the next answer is as good as ever."""
    assert customer.holds == []
    assert customer.held == 0
    backend.wait_for(lambda: backend.open == 0)
    backend.reply("fine again")
    # Errors may have taken the backend out of rotation for a moment, had it not been the last one of its model.
    assert ask(gateway, customer.key, model.name).text == "fine again"


WORDS = ["Grüße ", "你好 ", "\u2028a\u0085b\x0b ", "end"]
TEXT = "".join(WORDS)


@pytest.mark.money
@pytest.mark.parametrize(
    "options",
    [
        {"split": 1},
        {"split": 7},
        {"split": 1, "sse": Sse(newline="\r\n")},
        {"sse": Sse(newline="\r")},
        {"sse": Sse(newline="\r\n", prefix="data:", before_each=": hi\nevent: message\nid: 7", multiline=True), "split": 5},
        {"insert": {"before_chunk:1": b": keep-alive\n\n:\n\n\n\nevent: ping\n\n"}},
        {"done": False},
        {"trailing": sse({"choices": [{"index": 0, "delta": {"content": "more"}}]}) + b"\x00garbage"},
        {"framing": "close"},
        {"framing": "length"},
        {"usage": OMIT},
        {"headers": {"content-type": None}},
        {"headers": {"x-many": "a" * 20_000}},
    ],
    ids=lambda options: ",".join(f"{name}={value}" for name, value in options.items())[:60],
)
def test_every_valid_form_of_a_stream_is_read_correctly(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, options: dict[str, Any]
) -> None:
    backend.reply(chunks=WORDS, **options)
    answer = timed(gateway, customer, model, stream=True)
    assert (answer.status, answer.text, answer.finished) == (200, TEXT, True)
    [row] = customer.settled()
    assert (row.status, row.completion_tokens, row.finish_reason) == (Ended.COMPLETED, 4, "stop")
    everything_is_free_again(gateway, customer, model, backend)


@pytest.mark.money
def test_an_event_of_a_megabyte_passes_whole(gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend) -> None:
    backend.reply(chunks=["x" * 2**20, "y"])
    answer = timed(gateway, customer, model, stream=True)
    assert answer.finished
    assert answer.text == "x" * 2**20 + "y"
    everything_is_free_again(gateway, customer, model, backend)


@dataclass
class Fault:
    """`script` for the fake backend. Streamed, `delivered` words of WORDS come before it strikes."""

    script: Any
    status: int
    code: str
    fields: dict[str, Any] = field(default_factory=dict)


ANSWER = b'{"id":"a","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
EMPTY_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BEFORE_THE_FIRST_TOKEN = {
    "hangs before headers": Fault(Reply(at={"before_headers": hang}), 504, "backend_timeout"),
    "hangs before the body": Fault(Reply(at={"before_body": hang}), 502, "backend_timeout"),
    "closes before headers": Fault(Raw(b""), 502, "bad_backend_answer"),
    "resets before headers": Fault(Reply(at={"before_headers": reset}), 502, "bad_backend_answer"),
    "speaks no HTTP": Fault(Raw(b"SSH-2.0-OpenSSH_9.9\r\n"), 502, "bad_backend_answer"),
    "endless headers": Fault(Raw(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"a" * 200_000 + b"\r\n\r\n"), 502, "bad_backend_answer"),
    "endless numbers of headers": Fault(Raw(b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 50_000 + b"\r\n"), 502, "bad_backend_answer"),
    "switches protocols": Fault(Raw(b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"), 502, "bad_backend_answer"),
    "two lengths": Fault(Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}}"), 502, "bad_backend_answer"),
    "bad chunk size": Fault(Raw(EMPTY_CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"), 502, "bad_backend_answer"),
    "compressed unasked": Fault(Reply(gzip=True), 502, "bad_backend_answer"),
    "compressed stream": Fault(Reply(gzip=True), 502, "bad_backend_answer", {"stream": True}),
    "shorter than its length": Fault(Reply(at={20: close}), 502, "bad_backend_answer"),
    "HTML in a 200": Fault(Status(200, "<html><h1>Welcome to nginx"), 502, "bad_backend_answer"),
    "HTML in a streamed 200": Fault(Status(200, "<html><h1>Welcome to nginx"), 502, "bad_backend_answer", {"stream": True}),
    "no JSON object": Fault(Status(200, [1, 2]), 502, "bad_backend_answer"),
    "no choices": Fault(Status(200, {"id": "x"}), 502, "bad_backend_answer"),
    "a deeply nested answer": Fault(Status(200, b'{"choices":' + b"[" * 100_000), 502, "bad_backend_answer"),
    "an error in a 200": Fault(Status(200, {"error": {"message": "out of memory at 10.0.0.7"}}), 502, "bad_backend_answer"),
    "an error as the first event": Fault(Raw(EMPTY_CHUNKED + b"20\r\n" + sse({"error": {"message": "oh no !"}})[:32]), 502, "bad_backend_answer", {"stream": True}),
    "an empty stream": Fault(Raw(EMPTY_CHUNKED + b"0\r\n\r\n"), 502, "bad_backend_answer", {"stream": True}),
    "an empty 200": Fault(Status(200, b""), 502, "bad_backend_answer"),
    "a 204": Fault(Status(204, b""), 502, "bad_backend_answer"),
    "a whole answer to a stream": Fault(Status(200, ANSWER), 502, "bad_backend_answer", {"stream": True}),
    "a stream to a whole answer": Fault(Status(200, sse("[DONE]")), 502, "bad_backend_answer"),
}  # fmt: skip


@pytest.mark.money
@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_TOKEN.values(), ids=BEFORE_THE_FIRST_TOKEN.keys())
def test_before_the_first_token_a_fault_is_a_clean_error_and_costs_nothing(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, fault: Fault
) -> None:
    before = customer.balance
    backend.then(fault.script)
    answer = timed(gateway, customer, model, **fault.fields)
    assert (answer.status, answer.error["code"]) == (fault.status, fault.code)
    assert answer.headers["inference-id"]
    [row] = customer.settled()
    assert (row.status, row.http_status, row.error_code, row.charged) == (Ended.FAILED, fault.status, fault.code, 0)
    assert customer.balance == before
    everything_is_free_again(gateway, customer, model, backend)


def error_event(message: str) -> bytes:
    return sse({"error": {"message": message, "type": "server_error", "code": 500}})


MID_STREAM = {
    "hangs": Reply(chunks=WORDS, at={"before_chunk:2": hang}),
    "closes": Reply(chunks=WORDS, at={"before_chunk:2": close}),
    "closes within an event": Reply(chunks=WORDS, insert={"before_chunk:2": b'data: {"choices": [{"del'}, at={"before_chunk:2": close}),
    "ends properly without an end": Reply(chunks=WORDS, at={"before_chunk:2": finish}),
    "ends by closing without an end": Reply(chunks=WORDS, framing="close", at={"before_chunk:2": close}),
    "invalid JSON": Reply(chunks=WORDS, insert={"before_chunk:2": b'data: {"choices": [{"del\n\n'}),
    "garbage": Reply(chunks=WORDS, insert={"before_chunk:2": b"data: \x00\xff\xfe\n\n"}),
    "a list": Reply(chunks=WORDS, insert={"before_chunk:2": b"data: [1]\n\n"}),
    "wrong types": Reply(chunks=WORDS, insert={"before_chunk:2": sse({"choices": "none"})}),
    "an error event": Reply(chunks=WORDS, insert={"before_chunk:2": error_event("CUDA at 10.0.0.7:8000 sk-abc")}),
    "an endless event": Reply(chunks=WORDS, insert={"before_chunk:2": b"data: " + b"x" * (9 * 2**20)}),
    "an endless event of many lines": Reply(chunks=WORDS, insert={"before_chunk:2": b"data: xxxxxxxxxxx\n" * (2**19)}),
}


@pytest.mark.money
@pytest.mark.parametrize("script", MID_STREAM.values(), ids=MID_STREAM.keys())
def test_mid_stream_a_fault_is_an_error_frame_and_costs_what_was_delivered(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend, script: Reply
) -> None:
    before = customer.balance
    backend.then(script)
    answer = timed(gateway, customer, model, stream=True)
    assert (answer.status, answer.text, answer.finished) == (200, "".join(WORDS[:2]), False)
    assert answer.error_frame is not None
    assert answer.error_frame["code"] == ("backend_timeout" if hang in script.at.values() else "bad_backend_answer")
    assert b"10.0.0.7" not in answer.body
    assert b"[DONE]" not in answer.body
    [row] = customer.settled()
    assert (row.status, row.http_status, row.prompt_tokens, row.completion_tokens) == (Ended.FAILED, 502, 0, 2)
    assert before - customer.balance == row.charged == 2 * 2_000  # two tokens at $2 a million
    everything_is_free_again(gateway, customer, model, backend)


@pytest.mark.money
def test_a_backend_that_drips_bytes_without_ever_ending_a_line_is_given_up(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    """A byte is no sign of life: an event must end now and then."""
    backend.then(Reply(chunks=WORDS, insert={"before_chunk:2": b"data: " + b"x" * 4_000}, split=20, split_delay_s=0.01))
    answer = timed(gateway, customer, model, stream=True)
    assert (answer.text, answer.finished) == ("".join(WORDS[:2]), False)
    assert answer.error_frame is not None
    assert answer.error_frame["code"] == "backend_timeout"
    everything_is_free_again(gateway, customer, model, backend)


@pytest.mark.money
def test_a_finish_reason_that_no_database_can_store_is_still_settled(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    backend.then(Reply("Hello", finish_reason="st\x00op\n" + "ß" * 100))
    answer = timed(gateway, customer, model, stream=True)
    assert (answer.text, answer.finished) == ("Hello", True)
    [row] = customer.settled()
    assert (row.status, row.finish_reason) == (Ended.COMPLETED, "other")
    everything_is_free_again(gateway, customer, model, backend)


def test_memory_stays_bounded_whatever_a_backend_sends(gateway: GatewayProcess, customer: Customer, backend: FakeBackend) -> None:
    model = offer(gateway, backend.base_url)
    memory = psutil.Process(gateway.pid).memory_info
    ask(gateway, customer.key, model.name, stream=True)
    before = memory().rss
    for _ in range(3):
        backend.then(Reply(chunks=["a"], insert={"before_chunk:0": b"data: " + b"x" * (60 * 2**20)}))
        answer = ask(gateway, customer.key, model.name, stream=True)
        assert answer.error_frame is not None
        assert answer.error_frame["code"] == "bad_backend_answer"
    assert memory().rss - before < 60 * 2**20


# --- Backends that do not even read ---------------------------------------------------------------------------------------


@contextmanager
def deaf_backend(answer: bytes | None = None, *, reset: bool = False) -> Iterator[str]:
    """Takes connections and reads nothing. It may answer unread requests with `answer`, or reset the connection."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    taken: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            taken.append(connection)
            connection.recv(1000)  # the request has begun to come
            if answer is not None:
                connection.sendall(answer)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in taken:
            connection.close()
        thread.join(5)


REFUSED = b'HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: 38\r\n\r\n{"error":{"message":"Far too long."} } '


@pytest.mark.money
@pytest.mark.parametrize(
    ("answer", "resets", "status"),
    [(None, False, 504), (None, True, 502), (REFUSED, False, 413)],
    ids=["never reads", "resets", "answers before it has read"],
)
def test_a_backend_that_does_not_read_a_large_request_holds_up_nobody(
    gateway: GatewayProcess, customer: Customer, backend: FakeBackend, answer: bytes | None, resets: bool, status: int
) -> None:
    good = offer(gateway, backend.base_url)
    with deaf_backend(answer, reset=resets) as url:
        deaf = offer(gateway, url, backend_fields=TIMEOUTS)
        large = [{"role": "user", "content": "x" * 12_000_000}]
        refused = timed(gateway, customer, deaf, messages=large)
        assert refused.status == status
        assert refused.error["message"]
    assert customer.settled()[0].charged == 0
    everything_is_free_again(gateway, customer, good, backend)


# --- Connections that are used again ----------------------------------------------------------------------------------------


@pytest.mark.money
def test_an_answer_that_nobody_asked_for_is_never_given_to_the_next_customer(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    """A backend that answers twice would put every later answer of its connection off by one."""
    ours = ANSWER.replace(b'"hi"', b'"ours"')
    theirs = ANSWER.replace(b'"hi"', b'"theirs"')
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    twice = head % len(ours) + ours + head % len(theirs) + theirs
    backend.then(Raw(twice, at={"before_end": hang}))
    assert timed(gateway, customer, model).text == "ours"
    backend.reply("right")
    assert timed(gateway, customer, model).text == "right"
    first, second = backend.requests
    assert first.connection != second.connection
    backend.wait_for(lambda: backend.open == 0)


@pytest.mark.money
def test_a_connection_that_the_backend_closed_meanwhile_costs_no_request(
    gateway: GatewayProcess, customer: Customer, model: TestModel, backend: FakeBackend
) -> None:
    assert ask(gateway, customer.key, model.name).status == 200
    backend.then(Reply(at={"before_headers": reset}))  # as if it had closed the idle connection just when we wrote to it
    assert ask(gateway, customer.key, model.name).status == 200
    assert len(backend.requests) == 3
    assert [row.status for row in customer.settled(2)] == [Ended.COMPLETED] * 2


def test_a_backend_is_asked_for_nothing_but_the_answer(gateway: GatewayProcess, customer: Customer, backend: FakeBackend) -> None:
    """Its own key and no other, no compression, nothing of the client's headers."""
    model = offer(gateway, backend.base_url, backend_fields={"api_key": "upstream-secret"})
    ask(gateway, customer.key, model.name, headers={"x-forwarded-for": "10.1.1.1", "cookie": "a=b", "accept-encoding": "gzip"})
    asked = backend.last
    assert asked.headers["authorization"] == "Bearer upstream-secret"
    assert asked.headers["accept-encoding"] == "identity"
    assert set(asked.headers) == {"host", "content-type", "accept-encoding", "user-agent", "authorization", "content-length"}
    assert (asked.path, asked.headers["host"]) == ("/v1/chat/completions", f"127.0.0.1:{backend.port}")
    assert asked.json == {"model": model.upstream, "messages": MESSAGES, "max_tokens": asked.json["max_tokens"]}
