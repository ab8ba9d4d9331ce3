"""Promise (acceptance 44): of a backend's error a client sees what helps it and nothing about the backend, our log nothing of what was
asked, and nobody waits long for an error's text."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apps.catalog.pricing import Rates
from apps.core.ids import uuid7
from apps.gateway import backend_call
from apps.gateway.backend_call import BackendAnswer, call_backend
from apps.gateway.balancer import Balancer
from apps.gateway.errors import ApiError, BadRequest, Overloaded
from apps.gateway.open_request import OpenRequest
from tests.gateway.entries import a_backend, a_model
from tests.gateway.raw_servers import WHOLE, Conversation, Server, answering, client, serving

REFUSED = "The model's backend refused this request."
PROMPT = "my grandmother's maiden name"


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.address.port}/v1"


def refusing(body: bytes, status: int = 400) -> Callable[[Server], Conversation]:
    return answering(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))


async def call(*backends: Any, balancer: Balancer | None = None) -> BackendAnswer:
    request = OpenRequest(
        id=uuid7(), account_id=1, key_id=1, model_id=1, rates=Rates(1, 1, 1, 1, 0), dialect=0, streamed=False, held=1,
        arrived=time.monotonic(), admitted=time.monotonic(), prompt_tokens=lambda: 1,
    )  # fmt: skip
    http = client()
    try:
        model = a_model(backends=backends)
        return await call_backend(http, balancer or Balancer(), model, "/chat/completions", lambda backend: b"{}", request)
    finally:
        http.close()


async def refusal(body: bytes, **backend: Any) -> ApiError:
    async with serving(refusing(body)) as server:
        with pytest.raises(ApiError) as caught:
            await call(a_backend(base_url=url(server), **backend))
        return caught.value


# --- What the client sees ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Cannot connect to gpu-node-7:8443",
        "Cannot connect to GPU-NODE-7.cluster:8443.",
        "no route to gpu-node-7.rack.local",
        "connection to node7 port 8443 failed",
        "[fd00::12]:8000 refused",
        "[::1]: refused",
        "fe80::1%eth0 is down",
        "peer 2001:db8:0:1:2:3:4:5 went away",
        "10.1.2.3 went away",
        "No such file: /srv/models/llama",
        "cannot open '/model'",
        "config=/etc/vllm.yaml is wrong",
        r"cannot open C:\models\llama",
        "see ~/llama/log",
        "a" * 60_000 + ":8443 :: x",
    ],
)
async def test_a_text_with_an_address_or_a_path_is_replaced(text: str):
    assert (await refusal(json.dumps({"error": {"message": text}}).encode())).message == REFUSED


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4096 tokens",
        "prompt: too long (5000 > 4096)",
        "max_tokens: must be at least 1, not 0; temperature/top_p must be a number",
        "messages[0].content: Input should be a valid string",
        "Unexpected token at 12:30:45, column 7 / line 3",
        "torch::Tensor is not JSON and/or not text",
    ],
)
async def test_a_text_that_helps_is_passed_on(text: str):
    assert (await refusal(json.dumps({"error": {"message": text}}).encode())).message == text


async def test_a_backends_name_of_the_model_that_is_a_path_becomes_ours():
    said = json.dumps({"message": "The model `/srv/models/llama` has no tools."}).encode()
    assert (await refusal(said, upstream_model="/srv/models/llama")).message == "The model `org/model` has no tools."
    deeper = json.dumps({"message": "No file /srv/models/llama/config.json"}).encode()
    assert (await refusal(deeper, upstream_model="/srv/models/llama")).message == REFUSED


# --- What our log keeps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": PROMPT, "type": "BadRequestError", "code": 400}},
        {"message": PROMPT, "type": "BadRequestError", "code": 400, "input": [{"role": "user", "content": PROMPT}]},
    ],
)
async def test_an_error_is_logged_by_its_kind_without_what_was_asked(caplog: pytest.LogCaptureFixture, said: dict[str, Any]):
    caplog.set_level(logging.INFO)
    body = json.dumps(said).encode()
    await refusal(body)
    assert f"answered 400: {len(body)} bytes, type BadRequestError, code 400" in caplog.text
    assert "grandmother" not in caplog.text


async def test_a_type_or_code_that_is_a_text_or_a_key_is_not_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    await refusal(json.dumps({"error": {"message": "x", "type": PROMPT, "code": "k3y-4711"}}).encode(), api_key="k3y-4711")
    assert "type -, code -" in caplog.text
    assert "grandmother" not in caplog.text
    assert "k3y-4711" not in caplog.text


async def test_the_text_is_there_for_who_debugs(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    await refusal(json.dumps({"message": "too long"}).encode())
    assert "too long" in caplog.text


# --- How long it may take ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def dripping(start: bytes, drop: bytes, every_s: float) -> AsyncIterator[Server]:
    def conversation(server: Server) -> Conversation:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + start)
            while not writer.is_closing():
                await asyncio.sleep(every_s)
                writer.write(drop)

        return talk

    async with serving(conversation) as server:
        yield server


@pytest.mark.parametrize(("drop", "every_s"), [(b" ", 0.01), (b"", 0.01)], ids=["drips", "says no more"])
async def test_an_error_whose_text_has_no_end_is_answered_with_what_has_come(monkeypatch: pytest.MonkeyPatch, drop: bytes, every_s: float):
    monkeypatch.setattr(backend_call, "ERROR_BODY_S", 0.3)
    async with dripping(b'{"message": "max_tokens is too large"}', drop, every_s) as server:
        async with asyncio.timeout(20):
            with pytest.raises(BadRequest, match="max_tokens is too large"):
                await call(a_backend(base_url=url(server), idle_timeout_s=60.0))


# --- A key that would break out of its header -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a\r\nx-evil: 1", "a b", "clé", "\x00", "\ud800"])
async def test_a_backend_whose_key_no_header_may_carry_is_taken_out(key: str):
    async with serving(answering(WHOLE)) as server, serving(answering(WHOLE)) as other:
        broken, good = a_backend(base_url=url(server), api_key=key), a_backend(id=2, base_url=url(other))
        balancer = Balancer()
        with pytest.raises(Overloaded):
            await call(broken, balancer=balancer)
        assert balancer.choose([broken]) is None
        answer = await call(broken, good)
        assert answer.backend is good
        answer.exchange.abort()
        assert (server.connections, server.requests) == (0, 0)
