"""The official `@anthropic-ai/sdk`: messages, stream helpers, tool runner, structured output, counts, errors, retries, aborts
(anthropic.mjs)."""

from __future__ import annotations

import pytest

from tests.clients import node
from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.scripted import THOUGHTS
from tests.clients.watch import watching

pytestmark = pytest.mark.timeout(240)  # the first test may have to install the client
SCRIPT = "anthropic.mjs"
LEAVING = ["an aborted stream", "an aborted request", "leaving the loop over a stream"]


@pytest.fixture(scope="module")
def outcomes(gateway, backend, model, keys):
    with watching(backend) as watch_url:
        return node.run(SCRIPT, base_url=f"{gateway.url}/anthropic", model=model.name, keys=keys.for_node(), watch_url=watch_url)


@pytest.mark.parametrize("name", node.check_names(SCRIPT))
def test_check(outcomes, name):
    outcomes[name].passed()


@pytest.mark.parametrize("name", LEAVING)
def test_a_client_that_leaves_stops_the_backend_and_frees_its_hold(outcomes, backend, name):
    facts = outcomes[name].passed()
    assert_stopped_soon(backend, facts["said"], facts["left_at"])


def test_thinking_that_was_sent_back_reaches_the_model(outcomes, backend):
    outcomes["an answer can be sent back with its thinking"].passed()
    asked = request_that_said(backend, "Say hello, after thinking, in Node").json["messages"]
    assert asked[1] == {"role": "assistant", "content": "Four.", "reasoning_content": THOUGHTS}


def test_a_schema_reaches_the_backend(outcomes, backend):
    outcomes["a structured output"].passed()
    asked = request_that_said(backend, "Describe Ada, parsed in Node").json["response_format"]
    assert (asked["type"], asked["json_schema"]["strict"]) == ("json_schema", True)
    assert set(asked["json_schema"]["schema"]["properties"]) == {"name", "born", "fields"}


@pytest.mark.money
@pytest.mark.parametrize("name", ["a whole answer", "a streamed answer"])
def test_what_was_answered_was_charged(outcomes, keys, name):
    keys.assert_charged(outcomes[name].passed()["inference"])


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(outcomes, backend, keys):
    keys.assert_all_settled(backend)
