"""An HTTP answer is read the same in every framing and wherever the network cuts it; what is cut short or is no HTTP is broken."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.gateway.http_exchange import Broken
from tests.gateway.raw_servers import OK, answering, client, post, read_all, serving, whole

BODY = b"data: one\n\ndata: two\n\n" + "data: drei und fünf\n\n".encode()
CHUNKED = (
    OK
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"b\r\n"
    + BODY[:11]
    + b"\r\n"
    + b"%x;ext=1\r\n" % len(BODY[11:])
    + BODY[11:]
    + b"\r\n0\r\ntrailer: x\r\n\r\n"
)
FRAMINGS = {
    "chunked": (CHUNKED, False),
    "with a length": (OK + b"content-length: %d\r\n\r\n" % len(BODY) + BODY, False),
    "until close": (OK + b"\r\n" + BODY, True),
    "after a 100": (b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + CHUNKED, False),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors])
@given(st.sampled_from(sorted(FRAMINGS)), st.lists(st.integers(1, 200), max_size=6))
def test_an_answer_is_the_same_wherever_it_is_cut(framing, cuts):
    answer, close = FRAMINGS[framing]
    edges = sorted({0, *(cut for cut in cuts if cut < len(answer)), len(answer)})
    pieces = [answer[start:end] for start, end in pairwise(edges)]

    async def scenario() -> bytes:
        http = client()
        async with serving(answering(*pieces, close=close)) as server:
            exchange = await post(http, server)
            assert exchange.status == 200
            body = await read_all(exchange)
            http.close()
            return body

    assert asyncio.run(scenario()) == BODY


async def test_every_byte_of_a_chunked_answer_may_come_by_itself():
    http = client()
    async with serving(answering(*(CHUNKED[i : i + 1] for i in range(len(CHUNKED))))) as server:
        assert await whole(http, server) == BODY
        assert await whole(http, server) == BODY
        assert server.connections == 1
        http.close()


@pytest.mark.parametrize(
    "answer", [CHUNKED[:-8], CHUNKED[:-2], OK + b"content-length: 9\r\n\r\nhello"], ids=["in a chunk", "at the end", "length"]
)
async def test_an_answer_cut_short_is_broken_and_what_came_is_delivered_first(answer):
    http = client()
    async with serving(answering(answer, close=True)) as server:
        exchange = await post(http, server)
        assert await exchange.read(5)
        with pytest.raises(Broken):
            await read_all(exchange)


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", OK + b"content-length: x\r\n\r\n", OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
     OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", b"\x16\x03\x01\x00"],
)  # fmt: skip
async def test_what_is_no_http_is_broken(answer):
    http = client()
    async with serving(answering(answer, close=True)) as server:
        with pytest.raises(Broken):
            await read_all(await post(http, server))
