"""The real engine answers as tests of the gateway count on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.engine import CONTEXT_LENGTH, Engine, start_engine

MESSAGES: Any = [{"role": "user", "content": "is this the price of a token"}]


@pytest.fixture
def client(engine: Engine) -> openai.OpenAI:
    return openai.OpenAI(base_url=engine.base_url, api_key="none", max_retries=0)


def test_a_chat_completion_has_text_and_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="random", messages=MESSAGES, max_tokens=12)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens > len(MESSAGES[0]["content"].split())


def test_a_stream_says_the_same_as_a_whole_answer_at_temperature_0(client: openai.OpenAI) -> None:
    fields: Any = {"model": "random", "messages": MESSAGES, "max_tokens": 40, "temperature": 0}
    whole = client.chat.completions.create(**fields)
    chunks = list(client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 40


def test_text_completions_stream_and_report_usage(client: openai.OpenAI) -> None:
    fields: Any = {"model": "random", "prompt": "the price", "max_tokens": 6}
    assert client.completions.create(**fields).usage.completion_tokens == 6
    chunks = list(client.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 6
    assert chunks[-1].choices, "llama.cpp puts a text stream's usage into the chunk with the finish reason"


def test_logprobs_stop_and_json_schema_work(client: openai.OpenAI) -> None:
    def ask(**fields: Any) -> Any:
        return client.chat.completions.create(model="random", messages=MESSAGES, temperature=0, **fields)

    assert len(ask(max_tokens=3, logprobs=True, top_logprobs=2).choices[0].logprobs.content) == 3
    text = ask(max_tokens=40).choices[0].message.content
    stopped = ask(max_tokens=40, stop=[text[10]])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == (text[: text.index(text[10])], "stop")
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    answer = ask(max_tokens=300, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert type(json.loads(answer.choices[0].message.content)["ok"]) is bool


def test_usage_of_several_choices_counts_only_one_of_them(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="random", messages=MESSAGES, max_tokens=5, n=3)
    assert len(answer.choices) == 3
    assert answer.usage.completion_tokens == 5, "llama.cpp reports more than one choice now: tell the gateway's tests"


def test_a_prompt_longer_than_the_context_is_a_400(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="exceeds the available context size"):
        client.completions.create(model="random", prompt="the " * (CONTEXT_LENGTH + 1), max_tokens=1)


def test_tokenize_counts(engine: Engine) -> None:
    assert len(httpx.post(f"{engine.root_url}/tokenize", json={"content": "the price of a token"}).json()["tokens"]) == 5


def test_an_engine_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "random.gguf").mkdir()
    with pytest.raises(RuntimeError, match="IsADirectoryError"):
        start_engine(tmp_path)


def test_a_stopped_engine_is_gone(tmp_path: Path) -> None:
    engine = start_engine(tmp_path)
    engine.stop()
    assert engine.process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{engine.root_url}/health")
