"""Promise: connections to backends are used again, and those that a rush of requests left behind do not stay for ever."""

from __future__ import annotations

import asyncio

import pytest

from apps.gateway import http_client as module
from apps.gateway.http_client import KEEP_IDLE_S, Address, HttpClient
from apps.gateway.http_exchange import Exchange
from tests.fakes import FakeBackend
from tests.gateway.clock import standing

pytest_plugins = ["tests.fakes.fixtures"]


async def test_idle_connections_are_used_again_and_old_ones_are_closed(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = standing(monkeypatch, module)
    client = HttpClient(guard=lambda ip: None)
    address = Address.of(backend.base_url)
    body = b'{"messages":[]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address.authority}\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def ask() -> Exchange:
        exchange = await client.post(address, head, body, 5, 5, lambda exchange: None)
        while await exchange.read(5):
            pass
        return exchange

    try:
        rush = await asyncio.gather(*(ask() for _ in range(20)))
        for exchange in rush:
            client.release(address, exchange)
        assert backend.connections == 20
        for _ in range(5):
            clock.now += KEEP_IDLE_S / 4
            client.release(address, await ask())
        await backend.wait_for_async(lambda: backend.connections == 1)
        assert len({record.connection for record in backend.requests}) == 20  # nothing new was opened
        assert len(client._idle[address]) == 1
    finally:
        client.close()
