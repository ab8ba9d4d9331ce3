"""The official `openai` package for Node: chat, streams, tools, structured output, errors, retries, aborts (openai.mjs)."""

from __future__ import annotations

from uuid import UUID

import pytest

from apps.usage.models import Status
from tests.clients import node
from tests.clients.left import assert_stopped_within_a_second

SCRIPT = "openai.mjs"
LEAVING = ["an aborted stream", "an aborted request", "leaving the loop over a stream", "a request that times out"]
USD = 10**9


@pytest.fixture(scope="module")
def outcomes(gateway, model, keys):
    return node.run(SCRIPT, base_url=gateway.base_url, model=model.name, keys=keys.for_node())


@pytest.mark.parametrize("name", node.check_names(SCRIPT))
def test_check(outcomes, name):
    outcomes[name].passed()


@pytest.mark.parametrize("name", LEAVING)
def test_a_client_that_leaves_stops_the_backend_and_frees_its_hold(outcomes, backend, keys, name):
    facts = outcomes[name].passed()
    assert_stopped_within_a_second(backend, facts["said"], facts["left_at"])


@pytest.mark.money
@pytest.mark.parametrize("name", ["a whole answer", "a streamed answer"])
def test_what_was_answered_was_charged(outcomes, keys, name):
    row = keys.rich.inference(UUID(outcomes[name].passed()["inference"]))
    assert (row.status, row.prompt_tokens, row.cached_tokens, row.completion_tokens) == (Status.COMPLETED, 12, 4, 3)
    assert row.charged == 8 * 1_000 + 4 * 500 + 3 * 2_000


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_accounted_for(outcomes, backend, keys):
    customers = [keys.rich, keys.once_a_minute, keys.one_at_a_time]
    rows = [row for customer in customers for row in customer.settled(customer_requests(backend, customer))]
    assert len(rows) == len(backend.requests)
    assert all(customer.held == 0 for customer in customers)
    assert sum(10 * USD - customer.balance for customer in customers) == sum(row.charged for row in rows)
