"""What is too much, too large or not understood is refused in words, costs nobody else anything, and floods end the connection."""

from __future__ import annotations

import json
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from apps.playground.frames import MESSAGE_BYTES
from apps.playground.registry import RUNS, RUNS_A_MINUTE
from tests.gateway.customers import new_customer
from tests.playground.talking import Tab


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"run"',
        "[" * 100_000,
        '{"type": "dance"}',
        '{"type": "run"}',
        '{"type": "stop", "run": 7}',
        json.dumps({"type": "resume", "run": str(UUID(int=7)), "after": -1}),
        '{"type": "run", "run": "\\ud800"}',
    ],
)
def test_what_is_not_understood_is_refused_and_the_next_frame_is_heard(tab, text):
    tab.socket.send(text)
    refusal = tab.next()
    assert refusal["type"] == "refused"
    assert refusal["error"]["message"]
    tab.say(type="stop", run=str(uuid4()))
    assert tab.next()["error"]["code"] == "run_not_found"


def test_a_binary_frame_is_refused(tab):
    tab.socket.send(b"\x00\xff")
    assert tab.next()["type"] == "refused"


def test_a_giant_message_is_refused_in_words(tab, model, backend):
    tab.run(model, "x" * MESSAGE_BYTES)
    refusal = tab.next()
    assert (refusal["run"], refusal["error"]["code"]) == (None, "message_too_large")
    assert tab.rest(tab.run(model))[-1]["type"] == "done"
    assert tab.hello["limits"]["message_bytes"] == MESSAGE_BYTES
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        [{"type": "image_url", "image_url": {"url": "data:text/html;base64,AAAA"}}],
        [{"type": "audio", "data": "AAAA"}],
        [],
        7,
    ],
)
def test_only_texts_and_images_of_its_own_are_taken(tab, model, backend, content):
    tab.begin()
    run = str(uuid4())
    message = {"id": str(uuid4()), "role": "user", "content": content}
    wanted = {"model": model.name, "system_prompt": "", "parameters": {}}
    tab.say(type="run", run=run, conversation=tab.conversation, parent=None, messages=[message], request=wanted)
    assert tab.rest(run)[-1]["type"] == "refused"
    assert tab.whole()["messages"] == []
    assert backend.requests == []


def test_a_flood_ends_the_connection_and_what_runs(tab, model, customer, backend):
    backend.gate("before_chunk:2")
    tab.run(model)
    tab.hear("two ")
    with suppress(ConnectionClosed):  # it may end before all of it is sent
        for _ in range(200):
            tab.socket.send(json.dumps({"type": "nonsense"}))
    assert tab.closed() == 4429
    backend.wait_for(lambda: backend.last.disconnected)
    assert len(customer.settled()) == 1


def test_so_many_answers_run_at_a_time(gateway, tab, model, customer, backend):
    gate = backend.gate("before_chunk:1")
    runs = [tab.run(model) for _ in range(RUNS)]
    gate.wait_reached(RUNS)
    with Tab(gateway, customer, tab.cookie, tab.conversation) as another:
        one_more = another.run(model)
        refusal = another.rest(one_more)[-1]
        assert (refusal["type"], refusal["error"]["code"]) == ("refused", "too_many_runs")
        assert refusal["error"]["retry_after_s"] >= 1
        with Tab(gateway, new_customer("0")) as stranger:  # another account has places of its own
            assert stranger.rest(stranger.run(model))[-1]["message"]["error"]["code"] == "insufficient_credits"
        gate.release()
        ended = set()
        while ended != set(runs):
            frame = tab.next()
            if frame["type"] == "done":
                ended.add(frame["run"])
        assert another.rest(another.run(model))[-1]["type"] == "done"
    assert len(customer.settled(RUNS + 1)) == RUNS + 1


def test_so_many_answers_begin_in_a_minute(gateway, model):
    customer = new_customer("0")
    with Tab(gateway, customer) as one, Tab(gateway, customer) as other:  # two, since the frames of each are counted too
        kinds = []
        for number in range(RUNS_A_MINUTE + 1):
            tab = (one, other)[number % 2]
            last = tab.rest(tab.run(model))[-1]
            kinds.append(last["error"]["code"] if last["type"] == "refused" else last["type"])
        assert kinds[:-1] == ["failed"] * RUNS_A_MINUTE
        assert kinds[-1] == "too_many_runs"
