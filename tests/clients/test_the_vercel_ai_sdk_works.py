"""Vercel's AI SDK: text, streams, tools, objects, thinking, usage, errors, retries and aborts (ai-sdk.mjs)."""

from __future__ import annotations

import pytest

from tests.clients import node
from tests.clients.leaving import assert_stopped_soon, request_that_said
from tests.clients.watch import watching

pytestmark = pytest.mark.timeout(240)  # the first test may have to install the client
SCRIPT = "ai-sdk.mjs"
LEAVING = ["an aborted stream", "an aborted request"]


@pytest.fixture(scope="module")
def outcomes(gateway, backend, model, keys):
    with watching(backend) as watch_url:
        return node.run(SCRIPT, base_url=gateway.base_url, model=model.name, keys=keys.for_node(), watch_url=watch_url)


@pytest.mark.parametrize("name", node.check_names(SCRIPT))
def test_check(outcomes, name):
    outcomes[name].passed()


@pytest.mark.parametrize("name", LEAVING)
def test_a_client_that_leaves_stops_the_backend_and_frees_its_hold(outcomes, backend, name):
    facts = outcomes[name].passed()
    assert_stopped_soon(backend, facts["said"], facts["left_at"])


def test_a_schema_reaches_the_backend(outcomes, backend):
    outcomes["generateObject"].passed()
    asked = request_that_said(backend, "Describe Ada, by generateObject").json["response_format"]
    assert (asked["type"], asked["json_schema"]["strict"]) == ("json_schema", True)
    assert set(asked["json_schema"]["schema"]["properties"]) == {"name", "born", "fields"}


@pytest.mark.money
@pytest.mark.parametrize("name", ["generateText", "streamText"])
def test_what_was_answered_was_charged(outcomes, keys, name):
    keys.assert_charged(outcomes[name].passed()["inference"])


@pytest.mark.money
def test_nothing_stays_held_and_every_request_is_paid_for_once(outcomes, backend, keys):
    keys.assert_all_settled(backend)
