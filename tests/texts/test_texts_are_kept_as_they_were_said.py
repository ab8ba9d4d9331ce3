"""Promise: an account that wants it finds every prompt and answer as they were sent, whichever way they came; all others leave nothing."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from apps.accounts.models import Account
from apps.gateway.text_keeping import MOST_BYTES
from apps.texts import actions
from apps.texts.models import KeptText
from tests.anthropic import calls as anthropic
from tests.fakes import FakeBackend, reset
from tests.gateway.calls import MESSAGES, ask, http, offer, open_stream
from tests.gateway.customers import Customer, TestModel
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for
from tests.playground.talking import Tab
from tests.texts.kept import kept, number_kept

WORDS = ["Grüß ", 'dich "Wélt"\n', "\\ \u2028 ", "👋🏽", " end"]
TEXT = "".join(WORDS)
CALL = {"name": "weather", "arguments": '{"city": "Zürich", "days": 2}', "id": "call_1"}


@pytest.fixture
def keeper(customer: Customer) -> Customer:
    actions.keep_for(customer.account_id, 7)
    return customer


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    backend.reply(chunks=WORDS, reasoning="Hm, so.", tool_calls=[CALL])
    return offer(gateway, backend.base_url)


def test_by_default_nothing_is_kept(gateway: GatewayProcess, customer: Customer, model: TestModel) -> None:
    other = ask(gateway, customer.key, model.name, stream=True)
    actions.keep_for(customer.account_id, 1)  # what comes later shows that the writer has passed by
    later = ask(gateway, customer.key, model.name)
    kept(customer, later.headers["inference-id"])
    assert other.status == 200
    assert list(KeptText.objects.filter(account_id=customer.account_id).values_list("pk", flat=True)) == [
        UUID(later.headers["inference-id"])
    ]


def test_a_whole_chat_completion(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    answer = ask(gateway, keeper.key, model.name, temperature=0.5)
    text = kept(keeper, answer.headers["inference-id"])
    assert json.loads(text.request) == {"model": model.name, "messages": MESSAGES, "temperature": 0.5}
    assert text.answer == answer.body.decode()
    assert (text.request_cut, text.answer_cut) == (False, False)


@pytest.mark.parametrize("choices", [1, 2])
def test_a_streamed_chat_completion(gateway: GatewayProcess, keeper: Customer, model: TestModel, choices: int) -> None:
    answer = ask(gateway, keeper.key, model.name, stream=True, n=choices)
    assert answer.finished
    said = json.loads(kept(keeper, answer.headers["inference-id"]).answer)["choices"]
    assert [choice["index"] for choice in said] == list(range(choices))
    for choice in said:
        message = choice["message"]
        assert (message["role"], message["content"], message["reasoning_content"]) == ("assistant", TEXT, "Hm, so.")
        assert [call["function"] for call in message["tool_calls"]] == [{"name": CALL["name"], "arguments": CALL["arguments"]}]
        assert choice["finish_reason"] == "tool_calls"


def test_thinking_that_the_client_did_not_want_is_not_kept(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    answer = ask(gateway, keeper.key, model.name, stream=True, reasoning={"exclude": True})
    [choice] = json.loads(kept(keeper, answer.headers["inference-id"]).answer)["choices"]
    assert choice["message"]["content"] == TEXT
    assert "reasoning_content" not in choice["message"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_text_completion(gateway: GatewayProcess, keeper: Customer, backend: FakeBackend, model: TestModel, streamed: bool) -> None:
    backend.reply(chunks=WORDS)
    body = {"model": model.name, "prompt": "Once", "stream": streamed}
    answer = http.post(f"{gateway.base_url}/completions", json=body, headers={"authorization": f"Bearer {keeper.key}"})
    text = kept(keeper, answer.headers["inference-id"])
    assert json.loads(text.request) == body
    [choice] = json.loads(text.answer)["choices"]
    assert (choice["text"], choice["finish_reason"]) == (TEXT, "stop")


def test_a_whole_message_of_anthropics_dialect(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    answer = anthropic.post(gateway, keeper.key, anthropic.body(model.name))
    text = kept(keeper, answer.headers["inference-id"])
    assert json.loads(text.request) == anthropic.body(model.name)
    assert text.answer == answer.text


def test_a_streamed_message_of_anthropics_dialect(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    answer = anthropic.post(gateway, keeper.key, anthropic.body(model.name, stream=True))
    whole = anthropic.create(gateway, keeper.key, model.name)
    said = json.loads(kept(keeper, answer.headers["inference-id"]).answer)
    assert [_plain(block) for block in said["content"]] == [_plain(block) for block in whole["content"]]
    assert said["content"][0]["signature"]
    assert (said["type"], said["role"], said["stop_reason"], said["stop_sequence"]) == ("message", "assistant", "tool_use", None)


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from answer to answer."""
    return {name: value for name, value in block.items() if name not in ("id", "signature")}


def test_an_answer_in_the_playground(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    with Tab(gateway, keeper) as tab:
        run = tab.run(model, "What do you say?")
        tab.rest(run)
    [row] = keeper.settled()
    text = kept(keeper, row.id)
    assert json.loads(text.request)["messages"] == [{"role": "user", "content": "What do you say?"}]
    assert json.loads(text.answer)["choices"][0]["message"]["content"] == TEXT


def test_of_an_answer_that_broke_off_what_had_come(
    gateway: GatewayProcess, keeper: Customer, backend: FakeBackend, model: TestModel
) -> None:
    gate = backend.gate("before_chunk:2")
    backend.reply(chunks=WORDS, at={"before_chunk:2": reset})
    with open_stream(gateway, keeper.key, model.name) as answer:
        lines = answer.iter_lines()
        while WORDS[1].strip()[:4] not in next(lines):
            pass
        gate.release()
        assert any('"error"' in line for line in lines)
    [choice] = json.loads(kept(keeper, answer.headers["inference-id"]).answer)["choices"]
    assert choice == {"index": 0, "message": {"role": "assistant", "content": WORDS[0] + WORDS[1]}, "finish_reason": None}


def test_of_a_client_that_left_what_had_reached_it(
    gateway: GatewayProcess, keeper: Customer, backend: FakeBackend, model: TestModel
) -> None:
    gate = backend.gate("before_chunk:2")
    backend.reply(chunks=WORDS)
    with open_stream(gateway, keeper.key, model.name) as answer:
        lines = answer.iter_lines()
        while WORDS[1].strip()[:4] not in next(lines):
            pass
    keeper.settled()  # its going was noticed, so that nothing more can reach it
    gate.release()
    [choice] = json.loads(kept(keeper, answer.headers["inference-id"]).answer)["choices"]
    assert choice["message"]["content"] == WORDS[0] + WORDS[1]


def test_a_request_that_got_no_answer(gateway: GatewayProcess, keeper: Customer, backend: FakeBackend, model: TestModel) -> None:
    backend.reply(at={"before_headers": reset})
    answer = ask(gateway, keeper.key, model.name)
    assert answer.status >= 500
    text = kept(keeper, answer.headers["inference-id"])
    assert json.loads(text.request)["messages"] == MESSAGES
    assert text.answer == ""


def test_what_is_long_is_cut_and_says_so(gateway: GatewayProcess, keeper: Customer, backend: FakeBackend, model: TestModel) -> None:
    backend.reply(chunks=["a" * (MOST_BYTES // 2)] * 4)
    long = "b" * MOST_BYTES
    streamed = kept(keeper, ask(gateway, keeper.key, model.name, stream=True, user=long).headers["inference-id"])
    assert (streamed.request_cut, streamed.answer_cut) == (True, True)
    assert len(streamed.request) == MOST_BYTES
    assert json.loads(streamed.answer)["choices"][0]["message"]["content"] == "a" * (MOST_BYTES // 2)
    whole = kept(keeper, ask(gateway, keeper.key, model.name).headers["inference-id"])
    assert (whole.request_cut, whole.answer_cut, len(whole.answer)) == (False, True, MOST_BYTES)


def test_nothing_of_it_can_be_read_in_the_database(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    answer = ask(gateway, keeper.key, model.name)
    kept(keeper, answer.headers["inference-id"])
    sealed = KeptText.objects.get(pk=answer.headers["inference-id"]).sealed
    assert not any(word in sealed for word in ("Hello", "messages", "end"))


def test_kept_for_as_many_days_as_was_said_when_it_was_written(gateway: GatewayProcess, keeper: Customer, model: TestModel) -> None:
    answer = ask(gateway, keeper.key, model.name)
    kept(keeper, answer.headers["inference-id"])
    row = KeptText.objects.get(pk=answer.headers["inference-id"])
    assert (row.expires_at - row.kept_at).days == 7
    assert row.kept_at <= timezone.now()


def test_whoever_takes_the_choice_back_is_obeyed_by_what_is_under_way(
    gateway: GatewayProcess, keeper: Customer, backend: FakeBackend, model: TestModel
) -> None:
    backend.reply(chunks=WORDS)
    gate = backend.gate("before_chunk:2")
    with open_stream(gateway, keeper.key, model.name) as answer:
        gate.wait_reached()
        actions.stop_keeping(keeper.account_id)
        gate.release()
        answer.read()
    refused = ask(gateway, keeper.key, model.name)
    wait_for(lambda: "akashml_texts_queue 0\n" in http.get(f"{gateway.url}/metrics").text, what="the writer has done its work")
    assert refused.status == 200
    assert number_kept(keeper.account_id) == 0
    assert Account.objects.get(pk=keeper.account_id).keep_days is None
