"""Stop, and a closed tab, end an answer at once, wherever it stands: the backend hears of it, what was generated is kept and charged once."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from apps.usage.models import Status
from tests.gateway.clients import INPUT, OUTPUT, PROMPT_ESTIMATE
from tests.gateway.locks import locked_account
from tests.gateway.waiting import wait_for
from tests.playground.talking import Tab, check_seqs

pytestmark = pytest.mark.money
USD = 10**9


def stop(tab: Tab, run: str) -> None:
    tab.say(type="stop", run=run)


def close(tab: Tab, run: str) -> None:
    tab.socket.close(1001)


def navigate(tab: Tab, run: str) -> None:
    tab.socket.close(1000)


Leave = Callable[[Tab, str], None]
ways = pytest.mark.parametrize("leave", [stop, close, navigate])


def ended(tab: Tab, run: str) -> dict:
    """The answer as it is kept, once it has ended."""
    wait_for(lambda: tab.kept(run)["status"] != "running", what="the end of the answer is kept")
    return tab.kept(run)


@ways
def test_in_the_middle(tab, model, customer, backend, leave: Leave):
    backend.gate("before_chunk:2")
    run = tab.run(model)
    tab.hear("two ")
    leave(tab, run)
    backend.wait_for(lambda: backend.last.disconnected)
    [row] = customer.settled()
    assert (row.status, row.prompt_tokens, row.completion_tokens) == (Status.CANCELLED, PROMPT_ESTIMATE, 2)
    assert row.charged == PROMPT_ESTIMATE * INPUT + 2 * OUTPUT
    message = ended(tab, run)
    assert (message["status"], message["content"], message["error"]) == ("stopped", "one two ", None)
    assert (message["cost"], message["inference_id"]) == (str(row.cost), str(row.id))


def test_stopped_is_told(tab, model, backend):
    backend.gate("before_chunk:2")
    run = tab.run(model)
    frames = tab.hear("two ")
    stop(tab, run)
    frames += tab.rest(run)
    check_seqs(frames)
    assert (frames[-1]["type"], frames[-1]["message"]["status"]) == ("done", "stopped")


@ways
def test_before_the_backend_answers(tab, model, customer, backend, leave: Leave):
    gate = backend.gate("before_headers")
    run = tab.run(model)
    gate.wait_reached()
    leave(tab, run)
    backend.wait_for(lambda: backend.last.disconnected)
    [row] = customer.settled()
    assert (row.status, row.completion_tokens) == (Status.CANCELLED, 0)
    assert row.charged <= PROMPT_ESTIMATE * INPUT
    message = ended(tab, run)
    assert (message["status"], message["content"]) == ("stopped", "")


@ways
def test_during_admission_costs_nothing(gateway, tab, model, customer, backend, leave: Leave):
    tab.begin()
    with locked_account(customer.account_id) as slow:
        run = tab.run(model)
        slow.wait_until_met_by("admission")
        leave(tab, run)
        # The server has heard of it: it answers another tab, which came after.
        with Tab(gateway, customer, tab.cookie, tab.conversation) as later:
            later.until_read()
    assert ended(tab, run)["status"] in ("stopped", "failed")
    wait_for(lambda: customer.held == 0, what="the hold went back")
    assert customer.balance == 10 * USD
    assert backend.requests == []


@ways
def test_just_before_the_usage_chunk(tab, model, customer, backend, leave: Leave):
    gate = backend.gate("before_usage")
    run = tab.run(model)
    tab.hear("five")
    gate.wait_reached()
    leave(tab, run)
    [row] = customer.settled()
    assert (row.status, row.completion_tokens) == (Status.CANCELLED, 5)
    assert ended(tab, run)["content"] == "one two three four five"


@ways
def test_during_settlement_is_the_whole_answer(tab, model, customer, backend, leave: Leave):
    gate = backend.gate("before_done")
    run = tab.run(model)
    tab.hear("five")
    with locked_account(customer.account_id) as slow:
        gate.release()
        slow.wait_until_met_by("settlement")
        leave(tab, run)
        assert customer.inferences == []
    [row] = customer.settled()
    assert (row.status, row.prompt_tokens, row.completion_tokens) == (Status.COMPLETED, 10, 5)
    assert ended(tab, run)["status"] == "completed"


def test_a_deleted_conversation_stops_its_answers(tab, model, customer, backend):
    backend.gate("before_chunk:2")
    run = tab.run(model)
    tab.hear("two ")
    assert tab.ask("DELETE", f"conversations/{tab.conversation}").status_code == 200
    backend.wait_for(lambda: backend.last.disconnected)
    assert tab.rest(run)[-1]["message"]["status"] == "stopped"
    [row] = customer.settled()
    assert row.status == Status.CANCELLED


def test_an_ended_session_runs_nothing_more(tab, model, customer, backend):
    from apps.accounts.models import Session, User

    backend.gate("before_chunk:2")
    tab.run(model)
    tab.hear("two ")
    Session.objects.filter(user=User.objects.get(email=customer.email)).delete()
    tab.run(model, run=str(uuid4()))
    assert tab.closed() == 4401
    backend.wait_for(lambda: backend.last.disconnected)
    assert len(backend.requests) == 1
    assert customer.settled()[0].status == Status.CANCELLED
