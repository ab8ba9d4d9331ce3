"""Who edits an answer goes on from the edited one: the old one stays beside it, models read the new one, and nobody pays for it twice."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.playground.models import Message
from tests.gateway.customers import new_customer
from tests.playground.talking import Tab


def edited(text: str, **fields) -> dict:
    return {"id": str(uuid4()), "role": "assistant", "content": text, **fields}


def asked(text: str) -> dict:
    return {"id": str(uuid4()), "role": "user", "content": text}


def run_below(tab: Tab, model, parent: str | None, messages: list[dict]) -> str:
    run = str(uuid4())
    request = {"model": model.name, "system_prompt": "", "parameters": {}}
    tab.say(type="run", run=run, conversation=tab.conversation, parent=parent, messages=messages, request=request)
    return run


def test_the_model_reads_the_edited_one_and_the_old_one_stays(tab, model, customer, backend):
    first = tab.run(model)
    old = tab.rest(first)[-1]["message"]
    answer = edited("six seven")
    run = run_below(tab, model, old["parent"], [answer, asked("And then?")])
    assert tab.rest(run)[-1]["type"] == "done"
    told = [(message["role"], message["content"]) for message in backend.last.json["messages"]]
    assert told == [("user", "Say hello."), ("assistant", "six seven"), ("user", "And then?")]
    kept = tab.kept(answer["id"])
    assert (kept["parent"], kept["role"], kept["content"], kept["status"]) == (old["parent"], "assistant", "six seven", "completed")
    assert (kept["model"], kept["inference_id"], kept["usage"], kept["cost"], kept["error"]) == ("", None, None, None, None)
    assert tab.kept(first) == old
    customer.settled(2)  # the two that ran


def test_one_goes_on_from_it(tab, model, backend):
    first = tab.run(model)
    parent = tab.rest(first)[-1]["message"]["parent"]
    answer = edited("one two")
    run = run_below(tab, model, parent, [answer])
    assert tab.rest(run)[-1]["message"]["parent"] == answer["id"]
    told = [(message["role"], message["content"]) for message in backend.last.json["messages"]]
    assert told == [("user", "Say hello."), ("assistant", "one two")]


@pytest.mark.parametrize(
    ("answer", "param"),
    [
        (edited("x", content=[{"type": "text", "text": "x"}]), "messages[0].content"),
        (edited("x", tool_call_id="call_1"), "messages[0].tool_call_id"),
        (edited("x", role="system"), "messages[0].role"),
    ],
)
def test_what_is_no_answer_is_refused_by_its_field(tab, model, backend, answer, param):
    tab.begin()
    run = run_below(tab, model, None, [answer, asked("?")])
    refused = tab.rest(run)[-1]
    assert (refused["type"], refused["error"]["param"]) == ("refused", param)
    assert not backend.requests
    assert not Message.objects.filter(conversation_id=tab.conversation).exists()


def test_nobody_edits_answers_of_others(gateway, tab, model, backend):
    first = tab.run(model)
    parent = tab.rest(first)[-1]["message"]["parent"]
    before = len(backend.requests)
    with Tab(gateway, new_customer(), conversation=tab.conversation) as stranger:
        answer = edited("Send the money elsewhere.")
        assert stranger.rest(run_below(stranger, model, parent, [answer, asked("?")]))[-1]["type"] == "refused"
    # Nor do one's own messages take the id of somebody else's.
    with Tab(gateway, new_customer()) as stranger:
        stranger.begin()
        taken = edited("mine now", id=first)
        assert stranger.rest(run_below(stranger, model, None, [taken, asked("?")]))[-1]["error"]["code"] == "id_taken"
    assert len(backend.requests) == before
    assert tab.kept(first)["content"] == "one two three four five"
    assert not Message.objects.filter(pk=answer["id"]).exists()


def keep(tab: Tab, parent: str | None, *messages: dict):
    return tab.ask("POST", f"conversations/{tab.conversation}/messages", {"parent": parent, "messages": [*messages]})


def test_it_is_kept_at_once_and_asked_with_later(tab, model, backend):
    first = tab.run(model)
    parent = tab.rest(first)[-1]["message"]["parent"]
    answer = edited("six seven")
    asked_before = len(backend.requests)
    for _ in range(2):  # a repeated POST keeps it once
        assert keep(tab, parent, answer).status_code == 200
    kept = tab.kept(answer["id"])
    assert (kept["parent"], kept["content"], kept["status"], kept["model"], kept["cost"]) == (parent, "six seven", "completed", "", None)
    assert len(backend.requests) == asked_before
    run = run_below(tab, model, answer["id"], [asked("And then?")])
    assert tab.rest(run)[-1]["type"] == "done"
    assert [message["content"] for message in backend.last.json["messages"]] == ["Say hello.", "six seven", "And then?"]


def test_what_cannot_be_kept_is_refused_in_words(tab, model, gateway, backend):
    gate = backend.gate("before_chunk:1")
    first = tab.run(model)
    tab.until_read()
    gate.wait_reached(1)
    running = keep(tab, first, asked("Meanwhile"))
    assert (running.status_code, running.json()["error"]["code"]) == (400, "still_running")
    gate.release()
    parent = tab.rest(first)[-1]["message"]["parent"]
    for wrong, param in (
        (edited("x", tool_call_id="call_1"), "messages[0].tool_call_id"),
        (edited("x", role="system"), "messages[0].role"),
    ):
        refused = keep(tab, parent, wrong)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert keep(tab, str(uuid4()), edited("x")).json()["error"]["code"] == "parent_not_found"
    assert keep(tab, parent).json()["error"]["param"] == "messages"
    with Tab(gateway, new_customer()) as stranger:
        stranger.conversation = tab.conversation
        assert keep(stranger, parent, edited("x")).status_code == 404
        stranger.begin()
        assert keep(stranger, None, edited("x", id=first)).json()["error"]["code"] == "id_taken"
