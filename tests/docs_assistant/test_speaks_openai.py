"""Clients written for OpenAI's API work: shapes, streams, token counts, bounds."""

import json

import openai
import pytest

from apps.docs_assistant.app import MODEL_ID
from tests.docs_assistant.conftest import chat_body

QUESTION = "How are tokens per minute counted?"


def events(response):
    """The data of each server-sent event; asserts that the framing is nothing but `data: …` and an empty line."""
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    frames = response.content.split(b"\n\n")
    assert frames.pop() == b""
    assert all(frame.startswith(b"data: ") and b"\n" not in frame and b"\r" not in frame for frame in frames)
    assert frames.pop() == b"data: [DONE]"
    return [json.loads(frame[6:]) for frame in frames]


def stream(client, *turns, **fields):
    return events(client.post("/v1/chat/completions", json=chat_body(*turns, stream=True, **fields)))


def text_of(chunks):
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


def count(client, **body):
    return client.post("/tokenize", json=body).json()["count"]


def test_the_openai_sdk_gets_answers_and_streams(assistant):
    client = openai.OpenAI(base_url=str(assistant.base_url.join("/v1")), api_key="unused", max_retries=0)
    messages = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model=MODEL_ID, messages=messages)
    chunks = list(client.chat.completions.create(model=MODEL_ID, messages=messages, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert [model.id for model in client.models.list()] == [MODEL_ID]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL_ID, messages=messages, n=2)
    assert refused.value.param == "n"


def test_a_whole_answer_has_openais_shape(assistant):
    body = assistant.chat(QUESTION)
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == MODEL_ID
    assert isinstance(body["created"], int)
    [choice] = body["choices"]
    assert choice["index"] == 0
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "stop"
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_a_stream_tells_the_role_then_the_words_then_the_end(assistant):
    chunks = stream(assistant, QUESTION)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    first, *words, last = [chunk["choices"][0] for chunk in chunks]
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")
    assert all(choice["finish_reason"] is None for choice in [first, *words])
    assert len(words) > 20
    assert max(len(choice["delta"]["content"].split()) for choice in words) <= 8


def test_a_stream_has_the_text_of_the_whole_answer(assistant):
    for question in (QUESTION, "Hello!", "How do I use it from Node?", "What is the weather like?"):
        assert text_of(stream(assistant, question)) == assistant.ask(question)


def test_usage_is_what_the_tokenizer_counts(assistant):
    messages = [
        {"role": "system", "content": "Be brief. Ünïcödé 雨."},
        {"role": "user", "content": [{"type": "text", "text": "How do I create"}, {"type": "text", "text": "an API key?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"role": "tool", "content": "nothing", "tool_call_id": "1"},
        {"role": "user", "content": QUESTION},
    ]
    body = assistant.post("/v1/chat/completions", json={"model": MODEL_ID, "messages": messages}).json()
    usage = body["usage"]
    assert usage["prompt_tokens"] == count(assistant, messages=messages)
    assert usage["completion_tokens"] == count(assistant, prompt=body["choices"][0]["message"]["content"])
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_message_costs_three_tokens_beyond_its_text(assistant):
    assert count(assistant, prompt="Hello") == 2  # Hell·o
    assert count(assistant, messages=[{"role": "user", "content": "Hello"}]) == 5
    assert count(assistant, messages=[{"role": "user", "content": None}]) == 3


def test_a_stream_has_usage_only_when_asked(assistant):
    plain = stream(assistant, QUESTION)
    assert all("usage" not in chunk for chunk in plain)
    assert all(chunk["choices"] for chunk in plain)
    asked = stream(assistant, QUESTION, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in asked[:-1])
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"] == assistant.chat(QUESTION)["usage"]
    assert text_of(asked) == text_of(plain)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_token_bound_ends_an_answer_with_length(assistant, field):
    whole = assistant.chat(QUESTION)
    total = whole["usage"]["completion_tokens"]
    for bound in (1, 7, total - 1):
        body = assistant.chat(QUESTION, **{field: bound})
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] == bound
        assert whole["choices"][0]["message"]["content"].startswith(body["choices"][0]["message"]["content"])
        chunks = stream(assistant, QUESTION, **{field: bound})
        assert text_of(chunks) == body["choices"][0]["message"]["content"]
        assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert assistant.chat(QUESTION, **{field: total})["choices"][0]["finish_reason"] == "stop"


def test_the_newer_token_bound_wins(assistant):
    assert assistant.chat(QUESTION, max_tokens=100, max_completion_tokens=3)["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stop", ["reserves", ["never said", "reserves", "estimate of"]])
def test_a_stop_sequence_ends_the_answer_before_itself(assistant, stop):
    whole = assistant.ask(QUESTION)
    body = assistant.chat(QUESTION, stop=stop)
    assert body["choices"][0]["message"]["content"] == whole[: whole.index("reserves")]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert text_of(stream(assistant, QUESTION, stop=stop)) == whole[: whole.index("reserves")]


def test_plain_completions_answer_too(assistant):
    body = assistant.post("/v1/completions", json={"model": MODEL_ID, "prompt": QUESTION, "max_tokens": 2000}).json()
    assert body["object"] == "text_completion"
    assert body["choices"][0]["text"] == assistant.ask(QUESTION)
    assert body["usage"]["prompt_tokens"] == count(assistant, prompt=QUESTION)
    short = assistant.post("/v1/completions", json={"model": MODEL_ID, "prompt": QUESTION}).json()
    assert (short["usage"]["completion_tokens"], short["choices"][0]["finish_reason"]) == (16, "length")


def test_plain_completions_take_several_prompts_and_token_ids(assistant):
    ids = assistant.post("/tokenize", json={"prompt": QUESTION}).json()["tokens"]
    wanted = assistant.ask(QUESTION)
    for prompt in (ids, [ids], [QUESTION]):
        body = assistant.post("/v1/completions", json={"model": MODEL_ID, "prompt": prompt, "max_tokens": 2000}).json()
        assert body["choices"][0]["text"] == wanted
    fields = {
        "model": MODEL_ID,
        "prompt": [QUESTION, "Hello!"],
        "max_tokens": 2000,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chunks = events(assistant.post("/v1/completions", json=fields))
    texts = ["", ""]
    for chunk in chunks[:-1]:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == [wanted, assistant.ask("Hello!")]
    assert chunks[-1]["usage"]["completion_tokens"] == sum(count(assistant, prompt=text) for text in texts)
