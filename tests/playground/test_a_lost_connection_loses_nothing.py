"""An answer outlives its connection by the grace: who comes back, to any process, loses no text and pays once. Nobody waits for who does not."""

from __future__ import annotations

import pytest

from apps.playground.models import Message
from apps.usage.models import Status
from tests.gateway.clients import until_known
from tests.gateway.customers import new_model
from tests.gateway.waiting import wait_for
from tests.playground.conftest import GRACE_S, WORDS
from tests.playground.talking import Tab, check_seqs, text_of

pytestmark = pytest.mark.money
WHOLE = "".join(WORDS)


def test_who_comes_back_reads_on(gateway, tab, model, customer, backend):
    gate = backend.gate("before_chunk:2")
    run = tab.run(model)
    frames = tab.hear("two ")
    tab.break_off()
    with Tab(gateway, customer, tab.cookie, tab.conversation) as again:
        again.say(type="resume", run=run, after=frames[-1]["seq"])
        frames += again.until_read()  # had the answer ended before, there would be its end alone
        gate.release()
        frames += again.rest(run)
        check_seqs(frames)
        assert text_of(frames) == WHOLE
        assert frames[-1]["message"]["status"] == "completed"
        # Whoever has nothing any more gets all of it; of one that has ended, the message.
        again.say(type="resume", run=run, after=7)
        assert (last := again.next())["message"]["content"] == WHOLE
        assert last["seq"] == 8
    assert len(customer.settled()) == 1
    assert len(backend.requests) == 1


def test_what_was_on_its_way_comes_again(gateway, tab, model, customer, backend):
    gate = backend.gate("before_chunk:4")
    run = tab.run(model)
    frames = tab.hear("four ")
    tab.break_off()
    with Tab(gateway, customer, tab.cookie, tab.conversation) as again:
        again.say(type="resume", run=run, after=1)
        frames = frames[:1] + again.until_read()
        gate.release()
        frames += again.rest(run)
    check_seqs(frames)
    assert text_of(frames) == WHOLE


def test_what_comes_while_nobody_reads_is_there_afterwards(gateway, tab, model, customer, backend):
    gate = backend.gate("before_chunk:1")
    run = tab.run(model)
    frames = tab.hear("one ")
    tab.break_off()
    gate.release()
    customer.settled()
    wait_for(lambda: tab.kept(run)["status"] == "completed", what="the end is kept")
    with Tab(gateway, customer, tab.cookie, tab.conversation) as again:
        again.say(type="resume", run=run, after=frames[-1]["seq"])
        last = again.next()
    assert (last["type"], last["message"]["content"]) == ("done", WHOLE)


def test_who_does_not_come_back_stops_it(tab, model, customer, backend):
    backend.gate("before_chunk:2")
    run = tab.run(model)
    tab.hear("two ")
    tab.break_off()
    backend.wait_for(lambda: backend.last.disconnected, timeout=GRACE_S + 15)
    [row] = customer.settled()
    assert (row.status, row.completion_tokens) == (Status.CANCELLED, 2)
    wait_for(lambda: tab.kept(run)["status"] == "stopped", what="the end is kept")


@pytest.fixture
def two(gateways):
    return gateways(2, SERVE="all", PLAYGROUND_GRACE_S=str(GRACE_S), LEASE_S="2", DRAIN_S="1")


@pytest.fixture
def model_of_two(two, backend):
    backend.reply(chunks=WORDS, prompt_tokens=10)
    return until_known(new_model(backend.base_url), *two)


def test_another_process_goes_on_showing_it(two, model_of_two, customer, backend):
    one, other = two
    gate = backend.gate("before_chunk:2")
    tab = Tab(one, customer)
    run = tab.run(model_of_two)
    frames = tab.hear("two ")
    tab.break_off()
    with Tab(other, customer, conversation=tab.conversation) as again:
        again.say(type="resume", run=run, after=frames[-1]["seq"])
        state = again.next()
        assert state["type"] == "state"
        assert state["message"]["status"] == "running"
        wait_for(lambda: Message.objects.get(pk=run).watched_at is not None, what="the other process says so")
        watched = Message.objects.get(pk=run).watched_at
        # It is kept running for as long as it is read there, beyond the grace.
        wait_for(lambda: (Message.objects.get(pk=run).watched_at - watched).total_seconds() > GRACE_S + 1, timeout=30)
        gate.release()
        rest = [state, *again.rest(run)]
        check_seqs(rest, after=frames[-1]["seq"])
        assert state["message"]["content"] + text_of(rest) in (WHOLE, state["message"]["content"])
        assert rest[-1]["message"]["content"] == WHOLE
    assert len(customer.settled()) == 1


def test_another_process_stops_it(two, model_of_two, customer, backend):
    one, other = two
    backend.gate("before_chunk:2")
    tab = Tab(one, customer)
    run = tab.run(model_of_two)
    tab.hear("two ")
    with Tab(other, customer, conversation=tab.conversation) as again:
        again.say(type="stop", run=run)
        assert tab.rest(run)[-1]["message"]["status"] == "stopped"
    tab.socket.close()
    assert customer.settled()[0].status == Status.CANCELLED


def test_a_killed_process_leaves_what_was_kept(two, model_of_two, customer, backend):
    one, other = two
    backend.gate("before_chunk:2")
    tab = Tab(one, customer)
    run = tab.run(model_of_two)
    frames = tab.hear("two ")
    with Tab(other, customer, conversation=tab.conversation) as again:
        wait_for(lambda: again.kept(run)["content"] == "one two ", what="the text is kept while it runs")
        one.kill()
        again.say(type="resume", run=run, after=frames[-1]["seq"])
        last = again.rest(run)[-1]
        assert (last["type"], last["message"]["status"]) == ("failed", "lost")
        assert last["message"]["error"]["code"] == "lost"
        [row] = customer.settled(timeout=30)
        assert row.status == Status.LOST
        message = wait_for(lambda: (kept := again.kept(run))["cost"] is not None and kept, what="the charge is shown")
        assert (message["content"], message["cost"], message["status"]) == ("one two ", str(row.cost), "lost")


def test_a_process_that_is_told_to_stop_says_so(two, model_of_two, customer, backend):
    one, other = two
    backend.gate("before_chunk:2")
    tab = Tab(one, customer)
    run = tab.run(model_of_two)
    tab.hear("two ")
    one.terminate()
    assert tab.closed() == 1012
    one.wait_ended()
    with Tab(other, customer, conversation=tab.conversation) as again:
        message = again.kept(run)
    assert (message["status"], message["content"]) == ("failed", "one two ")
    assert message["error"]["code"] == "gateway_stopping"
    [row] = customer.settled()
    assert message["cost"] == str(row.cost)
