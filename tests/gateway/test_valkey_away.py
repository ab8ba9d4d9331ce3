"""Promise (acceptance 29): Valkey killed, flushed or gone from the start, the inference API answers, counts and charges as ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import redis

from apps.api_keys.actions import Limits
from tests.fakes import FakeBackend
from tests.gateway.calls import ask, ask_together, offer, open_stream
from tests.gateway.customers import new_customer
from tests.gateway.processes import GatewayProcess
from tests.servers import OwnServer

pytest_plugins = ["tests.fakes.fixtures"]


@pytest.mark.money
def test_without_valkey_nothing_changes_for_callers(
    gateways: Callable[..., list[GatewayProcess]], own_valkey: OwnServer, backend: FakeBackend
) -> None:
    started_before = gateways(1, REDIS_URL=own_valkey.url)
    model = offer(started_before, backend.base_url)
    customer = new_customer("10", Limits(rpm=20))
    backend.reply("Hello", prompt_tokens=100, completion_tokens=50)
    assert [ask(started_before[0], customer.key, model.name).status for _ in range(4)] == [200] * 4
    redis.Redis.from_url(own_valkey.url).flushall()
    assert [ask(started_before[0], customer.key, model.name).status for _ in range(4)] == [200] * 4

    backend.reply(chunks=["a", "b"], prompt_tokens=100, completion_tokens=50)
    gate = backend.gate("before_chunk:1", when=lambda record: record.fields.get("stream") is True)
    with open_stream(started_before[0], customer.key, model.name) as stream:
        gate.wait_reached()
        own_valkey.kill()
        gate.release()
        assert stream.read().endswith(b"data: [DONE]\n\n")
    both = started_before + gateways(1, REDIS_URL=own_valkey.url)  # one that never saw it
    answers = ask_together(both, customer.key, model.name, 20)
    assert Counter(answer.status for answer in answers) == {200: 11, 429: 9}  # the limit goes on where it was
    assert [row.charged for row in customer.settled(20)] == [200_000] * 20
    assert customer.balance == 10 * 10**9 - 20 * 200_000
    assert all(process.ready() for process in both)
