"""The benchmark's backend answers as OpenAI's API does, and its counters are what went out."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import httpx
import pytest

from benchmarks.contenders import MockBackend
from benchmarks.loads import Load
from benchmarks.streams import Arrivals, Stream, open_stream, opened
from tests.gateway.waiting import wait_for

BODY = b'{"messages": [], "stream": true}'


def ask(backend: MockBackend, answer: str, body: bytes = BODY) -> httpx.Response:
    return httpx.post(f"{backend.base_url(answer)}/chat/completions", content=body)


def events(response: httpx.Response) -> list[str]:
    assert response.headers["content-type"] == "text/event-stream"
    assert response.text.endswith("\n\n")
    lines = response.text.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


def test_a_whole_answer_has_usage(mock_backend: MockBackend) -> None:
    answer = ask(mock_backend, "whole", b"x" * 400).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    assert mock_backend.served()["output_tokens"] == 50


@pytest.mark.parametrize("answer", ["burst/7", "paced/7/5"])
def test_a_stream_has_its_chunks_usage_and_end(mock_backend: MockBackend, answer: str) -> None:
    *chunks, end = events(ask(mock_backend, answer))
    assert end == "[DONE]"
    parsed = [json.loads(chunk) for chunk in chunks]
    assert sum(bool(c["choices"] and c["choices"][0]["delta"].get("content")) for c in parsed) == 7
    assert parsed[-2]["choices"][0]["finish_reason"] == "stop"
    assert parsed[-1]["choices"] == []
    assert parsed[-1]["usage"]["completion_tokens"] == 7
    served = mock_backend.served()
    assert (served["streams"], served["completed"], served["chunks"], served["output_tokens"]) == (1, 1, 7, 7)


def test_a_connection_is_used_again_and_large_requests_are_read_whole(mock_backend: MockBackend) -> None:
    with httpx.Client() as client:
        for size in (10, 2_000_000, 10):
            answer = client.post(f"{mock_backend.base_url('whole')}/chat/completions", content=b"x" * size)
            assert answer.json()["usage"]["prompt_tokens"] == size // 4
        assert client.get(f"{mock_backend.base_url('whole')}/models").json()["data"][0]["id"] == "mock-model"


def test_what_nobody_reads_any_more_is_not_generated(mock_backend: MockBackend) -> None:
    with socket.create_connection(("127.0.0.1", mock_backend.port)) as client:
        client.sendall(b"POST /paced/1000/10/v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    wait_for(lambda: mock_backend.served()["broken"] == 1, 5, "the backend to notice")
    generated = mock_backend.served()["chunks"]
    time.sleep(0.1)  # ten chunks' time
    assert mock_backend.served()["chunks"] == generated


def test_an_unknown_path_is_refused(mock_backend: MockBackend) -> None:
    assert ask(mock_backend, "burst/0").status_code == 404
    assert ask(mock_backend, "nothing").status_code == 404


async def test_chunks_carry_when_they_were_sent(mock_backend: MockBackend) -> None:
    arrivals = Arrivals()
    stream = await open_stream(mock_backend, Load("paced", "paced/20/10", 1), arrivals)
    await stream.closed
    assert (stream.status, stream.chunks, stream.finished) == (200, 20, True)
    assert all(0 <= age < 2_000_000 for age in arrivals.age)
    took = arrivals.at[-1] - arrivals.at[0]
    assert took >= 150_000  # 19 pauses of 10 ms, less what the first was late


async def test_many_streams_are_watched_at_once(mock_backend: MockBackend) -> None:
    arrivals = Arrivals()
    async with opened(mock_backend, Load("paced", "paced/1000/20", 1), 50, 1000, arrivals) as streams:
        await asyncio.to_thread(wait_for, lambda: all(stream.chunks >= 3 for stream in streams), 10, "three chunks of each")
        assert mock_backend.served()["streams"] == 50
    assert len(arrivals.between(0, 1 << 62)) == len(arrivals.age) >= 150


async def test_a_chunk_that_comes_in_two_pieces_counts_once() -> None:
    arrivals = Arrivals()
    stream = Stream(b"", b"[DONE]", arrivals)
    for piece in (b"HTTP/1.1 200 OK\r\nInference-", b'Id: 0a-1\r\n\r\n{"content":"00000', b'00001 "}{"content":"0000000002 "}[DO', b"NE]"):
        stream.data_received(piece)
    assert (stream.identity, stream.chunks, stream.finished) == ("0a-1", 2, True)
