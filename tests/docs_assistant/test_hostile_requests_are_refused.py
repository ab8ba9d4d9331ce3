"""Whatever is sent: an answer, or a 400 in OpenAI's shape that names the field; in bounded time; and the server goes on."""

import json
import time

import pytest

from apps.docs_assistant.app import MAX_BODY_BYTES, MODEL_ID
from tests.docs_assistant.conftest import chat_body

USER = {"role": "user", "content": "Hello!"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": "Hello!"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [USER, 7]}, "messages[1]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://10.0.0.1/"}}]}]},
            "messages[0].content[0].type",
        ),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": 10**40}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
    ],
)
def test_a_wrong_field_is_named(assistant, fields, param):
    response = assistant.post("/v1/chat/completions", json=chat_body("Hello!") | fields)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{param}: ")


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(assistant, missing):
    body = chat_body("Hello!")
    del body[missing]
    error = assistant.post("/v1/chat/completions", json=body).json()["error"]
    assert (error["param"], error["message"]) == (missing, f"{missing}: this field is required.")


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/v1/completions", {"prompt": []}, "prompt"),
        ("/v1/completions", {"prompt": ["a", 1]}, "prompt"),
        ("/v1/completions", {"prompt": ["a"] * 9}, "prompt"),
        ("/v1/completions", {"prompt": [[-1]]}, "prompt[0]"),
        ("/v1/completions", {"prompt": [2**40]}, "prompt"),
        ("/v1/completions", {"prompt": [0xFF]}, "prompt"),
        ("/v1/completions", {"prompt": "a", "echo": True}, "echo"),
        ("/v1/completions", {"prompt": "a", "best_of": 4}, "best_of"),
        ("/v1/completions", {"prompt": "a", "max_tokens": 1.5}, "max_tokens"),
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [USER]}, "prompt"),
        ("/tokenize", {"prompt": 1}, "prompt"),
    ],
)
def test_the_other_addresses_name_the_field_too(assistant, path, fields, param):
    response = assistant.post(path, json={"model": MODEL_ID, **fields})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param), response.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b'{"model": "\\ud800", "messages": []}',
        b'{"max_tokens": NaN}',
        b"[" * 100_000,
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"messages": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    ],
    ids=["empty", "cut", "list", "null", "string", "not-utf8", "bad-utf8", "surrogate", "nan", "deep-cut", "deep", "deep-objects"],
)
def test_what_is_not_a_request_is_a_400(assistant, body):
    response = assistant.post("/v1/chat/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert assistant.get("/health").status_code == 200


def test_another_model_is_not_found(assistant):
    response = assistant.post("/v1/chat/completions", json=chat_body("Hello!", model="gpt-4"))
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


def test_unknown_addresses_and_methods_are_errors_of_the_same_shape(assistant):
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/health", 405),
        ("GET", "/", 404),
    ):
        response = assistant.request(method, path)
        assert (response.status_code, set(response.json()["error"])) == (status, {"message", "type", "param", "code"})


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": None}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": "\x00\ufeff\u202e\u2028 \r\n"}],
        [{"role": "user", "content": "???"}],
        [{"role": "system", "content": "only a system message"}],
        [{"role": "assistant", "content": "only an answer"}, {"role": "tool", "content": "only a result"}],
        [{"role": "user", "content": "```\n# not a heading"}],
        [USER] * 20_000,
    ],
    ids=["null", "empty", "no-parts", "controls", "marks", "system", "no-user", "markdown", "many"],
)
def test_odd_conversations_get_an_answer(assistant, messages):
    response = assistant.post("/v1/chat/completions", json={"model": MODEL_ID, "messages": messages})
    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    "text", ["limit " * 60_000, "x" * 370_000, "zqxj " * 60_000, "\n" * 370_000], ids=["words", "one-word", "unknown", "lines"]
)
def test_a_long_text_is_answered_in_bounded_time(assistant, text):
    started = time.perf_counter()
    body = assistant.chat(text)
    assert body["usage"]["prompt_tokens"] > 50_000
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("text", ["a b " * 40_000 + "." * 60_000, "word" * 400_000], ids=["counted", "far-too-long"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/tokenize"])
def test_more_than_the_context_is_refused(assistant, path, text):
    param, prompt = ("messages", [{"role": "user", "content": text}]) if "chat" in path else ("prompt", text)
    response = assistant.post(path, json={"model": MODEL_ID, param: prompt})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", param)
    assert "131072" in error["message"]


def test_a_body_beyond_the_bound_is_a_413(assistant):
    response = assistant.post("/v1/chat/completions", content=json.dumps(chat_body("x" * MAX_BODY_BYTES)))
    assert response.status_code == 413
    assert assistant.get("/health").status_code == 200
