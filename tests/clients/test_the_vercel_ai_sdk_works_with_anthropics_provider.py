"""Vercel's AI SDK over `@ai-sdk/anthropic`: text, streams, tools, thinking, objects, errors, aborts (anthropic-ai-sdk.mjs)."""

from __future__ import annotations

import pytest

from tests.clients import node
from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.scripted import THOUGHTS
from tests.clients.watch import watching

pytestmark = pytest.mark.timeout(240)  # the first test may have to install the client
SCRIPT = "anthropic-ai-sdk.mjs"


@pytest.fixture(scope="module")
def outcomes(gateway, backend, model, keys):
    with watching(backend) as watch_url:
        return node.run(SCRIPT, base_url=f"{gateway.url}/anthropic", model=model.name, keys=keys.for_node(), watch_url=watch_url)


@pytest.mark.parametrize("name", node.check_names(SCRIPT))
def test_check(outcomes, name):
    outcomes[name].passed()


def test_a_client_that_leaves_stops_the_backend_and_frees_its_hold(outcomes, backend):
    facts = outcomes["an aborted stream"].passed()
    assert_stopped_soon(backend, facts["said"], facts["left_at"])


def test_thinking_that_was_sent_back_reaches_the_model(outcomes, backend):
    outcomes["thinking, and sent back"].passed()
    asked = request_that_said(backend, "Say hello, after thinking").json["messages"]
    assert asked[1] == {"role": "assistant", "content": "Four.", "reasoning_content": THOUGHTS}


@pytest.mark.money
@pytest.mark.parametrize("name", ["generateText", "streamText"])
def test_what_was_answered_was_charged(outcomes, keys, name):
    keys.assert_charged(outcomes[name].passed()["inference"])


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(outcomes, backend, keys):
    keys.assert_all_settled(backend)
