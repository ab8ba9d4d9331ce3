"""The fake answers as vLLM does, over a real socket, to the clients that tests use."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.fakes import OMIT, FakeBackend, Record, Reply, Status


def ask(backend: FakeBackend, text: str = "hi", path: str = "/chat/completions", **fields: Any) -> httpx.Response:
    body = {"model": "m", **fields}
    body |= {"messages": [{"role": "user", "content": text}]} if "chat" in path else {"prompt": text}
    return httpx.post(backend.base_url + path, json=body, timeout=60)


def events(response: httpx.Response) -> list[Any]:
    data = [line.removeprefix("data: ") for line in response.text.split("\n") if line]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


def test_a_whole_answer_has_text_and_usage(backend: FakeBackend) -> None:
    backend.reply("Good morning", prompt_tokens=7, cached_tokens=3, reasoning_tokens=1)
    answer = ask(backend).json()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Good morning"}
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "total_tokens": 9,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert backend.last.json["messages"][0]["content"] == "hi"
    assert backend.last.status == 200


def test_a_stream_has_role_text_finish_usage_and_done(backend: FakeBackend) -> None:
    backend.reply(chunks=["Gr", "üß", " dich 🎉"])
    chunks = events(ask(backend, stream=True, stream_options={"include_usage": True}))
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "Gr"},
        {"content": "üß"},
        {"content": " dich 🎉"},
        {},
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_usage_comes_only_when_asked_for(backend: FakeBackend) -> None:
    assert all("usage" not in chunk for chunk in events(ask(backend, stream=True)))
    backend.reply(usage=OMIT)
    assert all("usage" not in chunk for chunk in events(ask(backend, stream=True, stream_options={"include_usage": True})))


def test_the_openai_client_understands_text_reasoning_and_tool_calls(backend: FakeBackend) -> None:
    client = openai.OpenAI(base_url=backend.base_url, api_key="k", max_retries=0)
    call = {"name": "weather", "arguments": '{"city":"Bergen"}'}
    backend.reply(text="", reasoning="let me see", tool_calls=[call])
    whole = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]).choices[0]
    assert whole.finish_reason == "tool_calls"
    assert whole.message.tool_calls[0].function.arguments == call["arguments"]
    parts, thoughts = "", ""
    for chunk in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
        delta = chunk.choices[0].delta
        parts += "".join(part.function.arguments for part in delta.tool_calls or [])
        thoughts += getattr(delta, "reasoning_content", None) or ""
    assert (parts, thoughts) == (call["arguments"], "let me see")


def test_text_completions_answer_each_prompt(backend: FakeBackend) -> None:
    body = {"model": "m", "prompt": ["a", "b"], "n": 2}
    answer = httpx.post(f"{backend.base_url}/completions", json=body).json()
    assert [choice["text"] for choice in answer["choices"]] == ["Hello"] * 4
    assert answer["usage"]["completion_tokens"] == 4
    assert [chunk["choices"][0]["text"] for chunk in events(ask(backend, path="/completions", stream=True))] == ["Hello", ""]


def test_queue_then_chooser_then_directives_then_default(backend: FakeBackend) -> None:
    backend.reply("default")
    backend.choose(lambda request: Reply("chosen") if "choose" in request.last_user_message else None)
    backend.then(Status(503), Reply("queued"))

    def text(message: str) -> str:
        return ask(backend, message).json()["choices"][0]["message"]["content"]

    assert ask(backend).status_code == 503
    assert [text("choose"), text("choose"), text("#tokens=2"), text("hi")] == ["queued", "chosen", "w0 w1 ", "default"]
    assert ask(backend, "#status=404").status_code == 404


def test_an_unknown_directive_is_reported(backend: FakeBackend) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        ask(backend, "#tokns=2")
    assert "#tokns=2" in str(backend.errors.pop())


def test_max_tokens_can_be_obeyed(backend: FakeBackend) -> None:
    backend.reply("one two three", obey_max_tokens=True)
    choice = ask(backend, max_tokens=2).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two ", "length")


def test_probe_and_tokenize_can_be_scripted(backend: FakeBackend) -> None:
    assert httpx.get(f"{backend.base_url}/models").json()["data"][0]["id"] == "fake"
    backend.models = Status(401)
    assert httpx.get(f"{backend.base_url}/models").status_code == 401
    assert httpx.post(f"{backend.root_url}/tokenize", json={"prompt": "a b c"}).json()["count"] == 3
    backend.tokenizer = lambda body: 42
    assert httpx.post(f"{backend.root_url}/tokenize", json={"prompt": "a"}).json()["count"] == 42
    assert [record.path for record in backend.other_requests] == ["/v1/models", "/v1/models", "/tokenize", "/tokenize"]
    assert backend.requests == []


async def test_many_parallel_streams_differ_by_their_message(backend: FakeBackend) -> None:
    gate, wanted = backend.gate("before_finish"), [number % 20 for number in range(200)]
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=200), timeout=30) as client:

        async def stream(tokens: int) -> int:
            body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"#tokens={tokens}"}]}
            response = await client.post(f"{backend.base_url}/chat/completions", json=body)
            return sum('"content":"w' in line for line in response.text.split("\n"))

        answers = asyncio.gather(*(stream(tokens) for tokens in wanted))
        await gate.wait_reached_async(200, timeout=30)
        assert backend.open == backend.max_open == 200
        gate.release()
        assert await answers == wanted
    await backend.wait_for_async(lambda: backend.open == 0)


def test_a_connection_is_kept_and_its_number_recorded(backend: FakeBackend) -> None:
    with httpx.Client() as client:
        for _ in range(2):
            client.post(f"{backend.base_url}/completions", json={"prompt": "a"})
    assert [record.connection for record in backend.requests] == [1, 1]


def test_a_request_may_come_in_pieces_and_chunked(backend: FakeBackend) -> None:
    body = json.dumps({"prompt": "ä", "model": "m"}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", backend.port)) as sock:
        sock.sendall(head[:20])
        sock.sendall(head[20:] + b"%x\r\n" % 5 + body[:5] + b"\r\n")
        sock.sendall(b"%x\r\n" % (len(body) - 5) + body[5:] + b"\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    record: Record = backend.last
    assert record.json == {"prompt": "ä", "model": "m"}


def test_the_backend_can_be_run_by_hand() -> None:
    command = [sys.executable, "-m", "tests.fakes", "--port", "0", "--tokens", "3"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        base_url = process.stdout.readline().strip()
        answer = httpx.post(f"{base_url}/completions", json={"prompt": "a"}).json()
        process.terminate()
        rest = process.stdout.read()
    assert answer["choices"][0]["text"] == "w0 w1 w2 "
    assert rest == "at most 1 requests at once, errors: []\n"
    assert process.returncode == 0


def test_a_long_run_keeps_only_the_latest_records() -> None:
    with FakeBackend(keep=4) as backend:
        for number in range(6):
            ask(backend, f"{number}")
        assert [record.last_user_message for record in backend.requests] == ["2", "3", "4", "5"]
