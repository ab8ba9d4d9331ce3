"""Every fault the fake can be scripted to have is on the wire as promised, and is recorded."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import time
from typing import Any

import pytest

from tests.fakes import FakeBackend, Raw, Reply, Sse, Status, close, finish, hang, pause, reset, sse


class Wire:
    """A client that shows the bytes as they come."""

    def __init__(self, backend: FakeBackend, stream: bool = True, receive_buffer: int | None = None, **fields: Any) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(60)
        self.sock.connect(("127.0.0.1", backend.port))
        body = {"model": "m", "stream": stream, "stream_options": {"include_usage": True}, "messages": [], **fields}
        data = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
        self.sock.sendall(head.encode() + data)
        self.data = b""

    def read_until(self, end: bytes) -> bytes:
        while end not in self.data:
            received = self.sock.recv(65536)
            assert received, f"closed after {self.data!r}"
            self.data += received
        return self.data

    def read_to_end(self) -> bytes:
        """Everything until FIN; ConnectionResetError on RST."""
        while received := self.sock.recv(65536):
            self.data += received
        return self.data

    def whole(self) -> tuple[bytes, list[bytes]]:
        """Head, and the HTTP chunks of a properly terminated chunked body."""
        head, _, rest = self.read_until(b"\r\n0\r\n\r\n").partition(b"\r\n\r\n")
        chunks = []
        while True:
            size, _, rest = rest.partition(b"\r\n")
            if not int(size, 16):
                assert rest == b"\r\n"
                return head, chunks
            chunks.append(rest[: int(size, 16)])
            assert rest[int(size, 16) :][:2] == b"\r\n"
            rest = rest[int(size, 16) + 2 :]


def test_reset_before_headers(backend: FakeBackend) -> None:
    backend.reply(at={"before_headers": reset})
    with pytest.raises(ConnectionResetError):
        Wire(backend).read_to_end()
    backend.wait_for(lambda: backend.open == 0)
    assert not backend.last.disconnected


def test_hang_before_headers_until_the_client_leaves(backend: FakeBackend) -> None:
    backend.reply(at={"before_headers": hang})
    wire = Wire(backend)
    backend.wait_for(lambda: backend.open == 1)
    wire.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        wire.read_to_end()
    before = time.monotonic()
    wire.sock.close()
    backend.wait_for(lambda: backend.open == 0)
    assert before <= backend.last.disconnected_at <= time.monotonic()
    assert backend.last.bytes_sent == 0


def test_reset_mid_stream_after_the_client_has_read_two_chunks(backend: FakeBackend) -> None:
    backend.reply(chunks=["a", "b", "c"], at={"before_chunk:2": reset})
    gate = backend.gate("before_chunk:2")
    wire = Wire(backend)
    wire.read_until(b'"content":"b"')
    gate.wait_reached()
    gate.release()
    with pytest.raises(ConnectionResetError):
        wire.read_to_end()
    assert b'"content":"c"' not in wire.data
    backend.wait_for(lambda: backend.open == 0)
    assert backend.last.chunks_sent == 3  # with the role


def test_close_without_terminator_and_finish_with_it(backend: FakeBackend) -> None:
    backend.then(Reply(at={"before_usage": close}), Reply(at={"before_usage": finish}), Reply(done=False))
    assert not Wire(backend).read_to_end().endswith(b"0\r\n\r\n")
    for expected in (3, 4):
        _, chunks = Wire(backend).whole()
        assert len(chunks) == expected
        assert b"[DONE]" not in b"".join(chunks)


def test_close_in_the_middle_of_an_http_chunk(backend: FakeBackend) -> None:
    backend.reply(at={20: close})
    _, _, body = Wire(backend).read_to_end().partition(b"\r\n\r\n")
    size, _, rest = body.partition(b"\r\n")
    assert int(size, 16) > len(rest) == 20


def test_a_body_shorter_than_its_content_length(backend: FakeBackend) -> None:
    backend.reply(at={20: close})
    head, _, body = Wire(backend, stream=False).read_to_end().partition(b"\r\n\r\n")
    assert int(re.search(rb"content-length: (\d+)", head)[1]) > len(body) == 20


def test_finish_cannot_save_a_body_with_content_length(backend: FakeBackend) -> None:
    backend.reply(at={20: finish})
    assert len(Wire(backend, stream=False).read_to_end().partition(b"\r\n\r\n")[2]) == 20


@pytest.mark.parametrize("split", [1, 7, [100, 101, 250]])
def test_a_stream_cut_anywhere_has_the_same_bytes(backend: FakeBackend, split: Any) -> None:
    backend.reply(chunks=["Grüß", " 🎉"])
    _, plain = Wire(backend).whole()
    backend.reply(chunks=["Grüß", " 🎉"], split=split)
    _, pieces = Wire(backend).whole()
    assert b"".join(pieces) == b"".join(plain)
    if isinstance(split, int):
        assert {len(piece) for piece in pieces[:-1]} == {split}
    else:
        assert [len(piece) for piece in pieces[:-1]] == [100, 1, 149]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_events_in_every_valid_form(backend: FakeBackend, newline: str) -> None:
    form = Sse(newline=newline, prefix="data:", before_each=": comment\nevent: message", multiline=True)
    backend.reply(chunks=["a\u2028b\u0085c"], sse=form)
    _, chunks = Wire(backend).whole()
    lines = chunks[1].decode().split(newline)
    assert lines[:2] == [": comment", "event: message"]
    assert lines[-2:] == ["", ""]
    assert len(lines) == 7
    data = "\n".join(line.removeprefix("data:") for line in lines[2:-2])
    assert json.loads(data)["choices"][0]["delta"]["content"] == "a\u2028b\u0085c"


def test_bytes_put_in_between_come_where_they_should(backend: FakeBackend) -> None:
    error = sse({"error": {"message": "out of memory"}})
    backend.reply(chunks=["a", "b"], insert={"before_chunk:1": b"data: {not json\n\n", "before_done": error}, trailing=b"\x00\xff")
    _, chunks = Wire(backend).whole()
    assert chunks[2] == b"data: {not json\n\n"
    assert b'"content":"b"' in chunks[3]
    assert chunks[-3:] == [error, b"data: [DONE]\n\n", b"\x00\xff"]


def test_a_megabyte_in_one_event(backend: FakeBackend) -> None:
    backend.reply(chunks=["x" * 2**20])
    assert max(map(len, Wire(backend).whole()[1])) > 2**20


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        (None, b'"usage":null'),
        ({"completion_tokens": float("nan")}, b'"usage":{"completion_tokens":NaN}'),
        ({"prompt_tokens": 10**18, "completion_tokens": -1}, b'"usage":{"prompt_tokens":1000000000000000000,"completion_tokens":-1}'),
        ({"prompt_tokens": "7", "completion_tokens": True}, b'"usage":{"prompt_tokens":"7","completion_tokens":true}'),
        ("many", b'"usage":"many"'),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_any_usage_can_be_reported(backend: FakeBackend, usage: Any, written: bytes, stream: bool) -> None:
    backend.reply(usage=usage)
    assert Wire(backend, stream=stream).read_until(b'"usage"' if not stream else b"[DONE]").count(written) == 1


def test_usage_in_every_chunk_grows(backend: FakeBackend) -> None:
    backend.reply(chunks=["a", "b"])
    _, chunks = Wire(backend, stream_options={"include_usage": True, "continuous_usage_stats": True}).whole()
    counts = [json.loads(chunk.removeprefix(b"data: "))["usage"]["completion_tokens"] for chunk in chunks[:-1]]
    assert counts == [0, 1, 2, 2, 2]


def test_headers_can_be_taken_away_added_and_huge(backend: FakeBackend) -> None:
    backend.reply(headers={"content-type": None, "x-big": "a" * 100_000})
    head, _ = Wire(backend).whole()
    assert b"content-type" not in head
    assert b"x-big: " + b"a" * 100_000 in head


def test_gzip_though_not_asked(backend: FakeBackend) -> None:
    backend.reply("Hello", gzip=True)
    head, chunks = Wire(backend).whole()
    assert b"content-encoding: gzip" in head
    assert b'"content":"Hello"' in gzip.decompress(b"".join(chunks))


@pytest.mark.parametrize("framing", ["length", "close"])
def test_a_stream_may_be_framed_otherwise(backend: FakeBackend, framing: Any) -> None:
    backend.reply(framing=framing)
    head, _, body = Wire(backend).read_until(b"[DONE]\n\n").partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: ")


def test_statuses_with_json_html_nothing_and_a_redirect(backend: FakeBackend) -> None:
    backend.then(Status(500), Status(502, "<html>Bad</html>"), Status(503, b""), Status(302, b"", headers={"location": "http://10.0.0.1/"}))
    assert b'"error":{' in Wire(backend).read_until(b"}}")
    assert b"text/html" in Wire(backend).read_until(b"</html>")
    assert b"content-length: 0" in Wire(backend).read_until(b"\r\n\r\n")
    assert b"HTTP/1.1 302 Found\r\n" in Wire(backend).read_until(b"location: http://10.0.0.1/\r\n")


def test_bytes_that_are_no_http(backend: FakeBackend) -> None:
    backend.then(Raw(b"SSH-2.0-OpenSSH\r\n"))
    assert Wire(backend).read_to_end() == b"SSH-2.0-OpenSSH\r\n"


def test_refused_connections_and_back_on_the_same_port(backend: FakeBackend) -> None:
    backend.reply(at={"before_chunk:0": hang})
    wire = Wire(backend)
    wire.read_until(b"assistant")
    backend.refuse()
    with pytest.raises(ConnectionResetError):
        wire.read_to_end()
    with pytest.raises(ConnectionRefusedError):
        Wire(backend)
    backend.accept()
    backend.reply("back")
    assert b"back" in Wire(backend).read_until(b"[DONE]")


def test_idle_connections_can_be_reset_while_busy_ones_go_on(backend: FakeBackend) -> None:
    idle = Wire(backend)
    idle.whole()
    gate = backend.gate("before_done")
    busy = Wire(backend)
    gate.wait_reached()
    backend.wait_for(lambda: backend.open == 1)
    backend.reset_idle()
    with pytest.raises(ConnectionResetError):
        idle.read_to_end()
    gate.release()
    busy.whole()


def test_gates_let_answers_go_one_by_one_and_only_those_meant(backend: FakeBackend) -> None:
    gate = backend.gate("before_usage", when=lambda request: request.fields.get("user") != "free")
    held = [Wire(backend) for _ in range(3)]
    gate.wait_reached(3)
    Wire(backend, user="free").whole()
    backend.wait_for(lambda: backend.open == 3)
    gate.release(1)
    backend.wait_for(lambda: backend.open == 2)
    gate.release()
    for wire in held:
        wire.whole()
    Wire(backend).whole()
    assert gate.reached == 4


def test_a_gate_that_is_not_reached_says_so(backend: FakeBackend) -> None:
    with pytest.raises(TimeoutError, match="'before_usage': 0 of 1"):
        backend.gate("before_usage").wait_reached(timeout=0.01)
    with pytest.raises(TimeoutError, match="0 requests, 0 open"):
        backend.wait_for(lambda: backend.open == 1, timeout=0.01)


async def test_waiting_does_not_block_the_event_loop_of_the_test(backend: FakeBackend) -> None:
    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", backend.port)
        writer.write(b'POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 14\r\n\r\n{"prompt":"a"}')
        data = await reader.read()
        writer.close()
        return data

    gate = backend.gate("before_headers")
    task = asyncio.create_task(ask())
    await gate.wait_reached_async()
    gate.release()
    assert b"Hello" in await task


def test_a_pause_delays_what_follows(backend: FakeBackend) -> None:
    backend.reply(at={"before_chunk:0": pause(0.05)}, delay_s=0.05)
    before = time.monotonic()
    Wire(backend).whole()
    assert time.monotonic() - before >= 0.1


def test_bytes_sent_stop_growing_when_the_client_does_not_read() -> None:
    with FakeBackend(send_buffer=4096) as backend:
        backend.reply(chunks=["x" * 1000] * 500)
        wire = Wire(backend, receive_buffer=16_384)
        backend.wait_for(lambda: backend.open == 1)
        with pytest.raises(TimeoutError):
            backend.wait_for(lambda: backend.open == 0, timeout=0.3)
        assert backend.last.bytes_sent < 250_000, "more than the two kernel buffers can hold"
        wire.whole()
        backend.wait_for(lambda: backend.open == 0)
        assert backend.last.bytes_sent > 500_000


def test_an_unknown_point_is_an_error_of_the_script(backend: FakeBackend) -> None:
    backend.reply(at={"before_lunch": reset})
    assert Wire(backend).read_to_end() == b""
    assert "before_chunk:0" in str(backend.errors.pop())


def test_stopping_ends_open_answers_and_leaves_no_thread() -> None:
    backend = FakeBackend()
    backend.reply(at={"before_headers": hang})
    wire = Wire(backend)
    backend.wait_for(lambda: backend.open == 1)
    backend.stop()
    assert not backend._thread.is_alive()
    with pytest.raises(ConnectionResetError):
        wire.read_to_end()
