"""Claude Code does a task with its tools, over streams and counts of ours, with a model that is no Claude."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.usage.models import Dialect, Status
from tests.clients import claude_code
from tests.fakes import FakeBackend, Record, Reply
from tests.fakes.answers import Behaviour
from tests.gateway.clients import until_known
from tests.gateway.customers import new_customer, new_model

pytestmark = [pytest.mark.timeout(400), pytest.mark.money]  # the first test may have to install the client
GREETING = "Grüß Gott – “hello”\n"


def results_in(record: Record) -> list[dict[str, Any]]:
    return [message for message in record.json["messages"] if message["role"] == "tool"]


class TaskModel:
    """A model that writes a file, reads it in two ways at once, and tells what it has read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, record: Record) -> Behaviour:
        if "tools" not in record.json:  # a title, a summary: something on the side
            return Reply("Greeting")
        done = len(results_in(record))
        if done == 0:
            return self._calls("I'll write it.", {"name": "Write", "input": {"file_path": str(self.path), "content": GREETING}})
        if done == 1:
            read = {"name": "Read", "input": {"file_path": str(self.path)}}
            return self._calls("", read, {"name": "Bash", "input": {"command": f"wc -c < {self.path}", "description": "Count bytes"}})
        return Reply(f"I read: {results_in(record)[-2]['content']} and counted {results_in(record)[-1]['content']}", reasoning="Now tell.")

    @staticmethod
    def _calls(text: str, *calls: dict[str, Any]) -> Reply:
        made = [
            {"id": f"call_{call['name']}", "name": call["name"], "arguments": json.dumps(call["input"], ensure_ascii=False)}
            for call in calls
        ]
        return Reply(text, tool_calls=made, reasoning="Let me see. ", prompt_tokens=9_000, cached_tokens=8_000)


@pytest.fixture(scope="module")
def task(gateway, tmp_path_factory):
    """One run: its outcome, the backend that served it, and the customer who paid."""
    folder = tmp_path_factory.mktemp("claude-code")
    customer = new_customer("10")
    with FakeBackend() as backend:
        backend.choose(TaskModel(folder / "work" / "greeting.txt"))
        model = until_known(new_model(backend.base_url, context_length=200_000), gateway)
        outcome = claude_code.run(
            folder,
            "Write a greeting to greeting.txt, read it and tell me what it says.",
            base_url=f"{gateway.url}/anthropic",
            key=customer.key,
            model=model.name.replace("/", "--"),
            tools=("Write", "Read", "Bash(wc:*)"),
        )
        backend.wait_for(lambda: backend.open == 0)
        assert not backend.errors
        yield outcome, backend, customer, folder


def test_it_does_the_task(task):
    outcome, _, _, folder = task
    assert outcome.result["is_error"] is False, outcome
    assert (folder / "work" / "greeting.txt").read_text() == GREETING
    assert "Grüß Gott – “hello”" in outcome.result["result"]
    assert outcome.result["result"].endswith(f"counted {len(GREETING.encode())}")
    assert outcome.result["num_turns"] >= 3


def test_its_tools_and_their_results_reach_the_model(task):
    _, backend, _, _ = task
    first, *_, last = [record.json for record in backend.requests if "tools" in record.json]
    offered = {tool["function"]["name"] for tool in first["tools"]}
    assert {"Write", "Read", "Bash"} <= offered
    assert all(tool["function"]["parameters"]["type"] == "object" for tool in first["tools"])
    assert [message["role"] for message in first["messages"]].count("system") == 1
    assert first["messages"][0]["role"] == "system"
    calls = [message for message in last["messages"] if message["role"] == "assistant"]
    assert [[call["function"]["name"] for call in message["tool_calls"]] for message in calls] == [["Write"], ["Read", "Bash"]]
    assert [result["tool_call_id"] for result in last["messages"] if result["role"] == "tool"] == ["call_Write", "call_Read", "call_Bash"]
    assert "Error" not in last["messages"][-1]["content"]


def test_its_thinking_comes_back_to_the_model(task):
    """It asks for thinking out of sight: the signature carries it."""
    _, backend, _, _ = task
    last = [record.json for record in backend.requests if "tools" in record.json][-1]
    assert all(message["reasoning_content"] == "Let me see. " for message in last["messages"] if message["role"] == "assistant")


def test_what_it_used_is_charged(task):
    outcome, backend, customer, _ = task
    rows = customer.settled(len(backend.requests))
    assert {(row.dialect, row.status) for row in rows} == {(Dialect.MESSAGES, Status.COMPLETED)}
    assert 10 * 10**9 - customer.balance == sum(row.charged for row in rows) > 0
    assert outcome.result["usage"]["cache_read_input_tokens"] >= 16_000
