"""A run is one answer: streamed, charged as the API charges, kept as it ended, and never run twice."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.playground.models import Message
from apps.usage.models import Dialect, Status
from tests.gateway.clients import INPUT, OUTPUT, until_known
from tests.gateway.customers import new_customer
from tests.playground.talking import Tab, check_seqs, text_of

pytestmark = pytest.mark.money
USD = 10**9


def test_it_is_streamed_charged_and_kept(tab, model, customer, backend):
    run = tab.run(model, system_prompt="Be brief.", temperature=0.5)
    frames = tab.rest(run)
    check_seqs(frames)
    assert [frame["type"] for frame in (frames[0], frames[-1])] == ["started", "done"]
    assert text_of(frames) == "one two three four five"
    message = frames[-1]["message"]
    [row] = customer.settled()
    assert (row.dialect, row.api_key_id, row.status, row.streamed) == (Dialect.PLAYGROUND, None, Status.COMPLETED, True)
    assert customer.balance == 10 * USD - (10 * INPUT + 5 * OUTPUT)
    assert message["usage"] == {"prompt_tokens": 10, "cached_tokens": 0, "completion_tokens": 5, "reasoning_tokens": 0}
    assert (message["content"], message["status"], message["finish_reason"]) == ("one two three four five", "completed", "stop")
    assert (message["cost"], message["inference_id"]) == (str(row.cost), str(row.id))
    assert frames[0]["inference_id"] == str(row.id)
    assert message["total_ms"] == row.total_ms
    assert message["error"] is None
    assert tab.kept(run) == message
    asked = backend.last.json
    assert (asked["temperature"], asked["stream"]) == (0.5, True)
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]


def test_the_server_remembers_what_was_said(tab, model, backend):
    first = tab.run(model)
    tab.rest(first)
    second = tab.run(model, "And again?", parent=first)
    tab.rest(second)
    roles = [(message["role"], message["content"]) for message in backend.last.json["messages"]]
    assert roles == [("user", "Say hello."), ("assistant", "one two three four five"), ("user", "And again?")]
    # To regenerate is a second answer under the same message; to go on, an answer below the answer.
    parent = tab.kept(first)["parent"]
    again = tab.run(model, "", parent=parent)
    assert tab.rest(again)[-1]["message"]["parent"] == parent
    onward = tab.run(model, "", parent=again)
    tab.rest(onward)
    assert [message["role"] for message in backend.last.json["messages"]] == ["user", "assistant"]
    assert {message["id"] for message in tab.whole()["messages"]} >= {first, second, again, onward}


def test_what_is_asked_for_twice_runs_once(gateway, tab, model, customer, backend):
    gate = backend.gate("before_chunk:2")
    run = tab.run(model)
    tab.hear("two ")
    tab.run(model, run=run)
    with Tab(gateway, customer, tab.cookie, tab.conversation) as other:
        other.run(model, run=run)
        heard = other.hear("two ")  # before the answer ends: after it there would be its end alone
        gate.release()
        assert text_of([*heard, *other.rest(run)]) == "one two three four five"
    frames = tab.rest(run)
    assert frames[-1]["type"] == "done"
    tab.run(model, run=run)  # and when it has ended
    assert tab.rest(run)[-1]["message"]["content"] == "one two three four five"
    assert len(backend.requests) == 1
    assert len(customer.settled()) == 1


def test_nothing_of_it_lies_in_the_database_as_it_was_written(tab, model):
    run = tab.run(model, "a very secret question")
    tab.rest(run)
    for row in Message.objects.filter(conversation_id=tab.conversation):
        assert "secret" not in row.sealed_body
        assert "three" not in row.sealed_body


def test_no_credit_leads_to_the_top_up(gateway, model, backend):
    with Tab(gateway, new_customer("0")) as tab:
        run = tab.run(model)
        last = tab.rest(run)[-1]
    assert last["type"] == "failed"
    error = last["message"]["error"]
    assert error["code"] == "insufficient_credits"
    assert error["action"]["href"] == "/settings/billing"
    assert (last["message"]["status"], last["message"]["cost"], last["message"]["inference_id"]) == ("failed", None, None)
    assert backend.requests == []


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"messages": []}, "request.parameters.messages"),
        ({"stream": False}, "request.parameters.stream"),
        ({"n": 4}, "request.parameters.n"),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_runs(tab, model, customer, backend, request_, param):
    run = tab.run(model, **request_)
    last = tab.rest(run)[-1]
    error = last["error"] if last["type"] == "refused" else last["message"]["error"]
    assert param in error["message"]
    assert backend.requests == []
    assert customer.inferences == []


def test_others_neither_find_nor_disturb_it(gateway, tab, model, backend):
    gate = backend.gate("before_chunk:2")
    run = tab.run(model)
    tab.hear("two ")
    with Tab(gateway, new_customer()) as stranger:
        for frame in ({"type": "stop", "run": run}, {"type": "resume", "run": run, "after": 0}):
            stranger.say(**frame)
            assert stranger.next()["error"]["code"] == "run_not_found"
        stranger.conversation = tab.conversation
        theirs = stranger.run(model)
        assert stranger.rest(theirs)[-1]["error"]["code"] == "conversation_not_found"
        stranger.begin()
        stolen = stranger.run(model, parent=run)
        assert stranger.rest(stolen)[-1]["error"]["code"] == "parent_not_found"
        taken = stranger.run(model, run=run)
        assert stranger.rest(taken)[-1]["error"]["code"] == "id_taken"
    gate.release()
    assert tab.rest(run)[-1]["message"]["content"] == "one two three four five"


def test_tools_are_called_and_answered(tab, model, backend):
    from tests.fakes import Reply

    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    backend.then(Reply(tool_calls=[{"name": "weather", "arguments": '{"city": "Oslo"}'}]))
    first = tab.run(model, tools=tools)
    frames = tab.rest(first)
    message = frames[-1]["message"]
    [call] = message["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("weather", '{"city": "Oslo"}')
    assert any("tool_calls" in frame for frame in frames if frame["type"] == "delta")
    second = str(uuid4())
    result = {"id": str(uuid4()), "role": "tool", "content": "rain", "tool_call_id": call["id"]}
    wanted = {"model": model.name, "system_prompt": "", "parameters": {"tools": tools}}
    tab.say(type="run", run=second, conversation=tab.conversation, parent=first, messages=[result], request=wanted)
    assert tab.rest(second)[-1]["type"] == "done"
    asked = backend.last.json["messages"]
    assert [one["role"] for one in asked] == ["user", "assistant", "tool"]
    assert asked[1]["tool_calls"][0]["id"] == asked[2]["tool_call_id"] == call["id"]


def test_where_pages_and_gateways_are_processes_of_their_own_the_gateway_answers(gateways, tab, model, customer):
    [process] = gateways(1, SERVE="gateway")
    conversation = tab.begin()
    with Tab(process, customer, conversation=conversation) as elsewhere:
        frames = elsewhere.rest(elsewhere.run(until_known(model, process)))
    assert text_of(frames) == "one two three four five"
    assert tab.kept(frames[-1]["run"])["content"] == "one two three four five"
