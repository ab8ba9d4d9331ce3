"""The public model id whatever the backend calls it, usage chunks only on request, and otherwise the backend's own bytes."""

from __future__ import annotations

import json

import pytest

from tests.fakes import Sse
from tests.gateway.clients import OpenCall, chat, text_of, until_known
from tests.gateway.customers import new_model

WORDS = ["one ", "two ", "three"]


@pytest.fixture
def model(gateway, backend):
    backend.reply(chunks=WORDS, prompt_tokens=10)
    return until_known(new_model(backend.base_url, upstream='/models/engine\'s own "name"'), gateway)


def streamed(gateway, customer, model, **fields):
    with OpenCall(gateway, customer, model, **fields) as call:
        events = call.rest()
        assert call.complete
    assert events.pop() == "[DONE]"
    return events


@pytest.mark.parametrize("named", [None, "something/else"], ids=["as asked", "as it likes"])
def test_the_model_shown_is_the_public_id(gateway, customer, backend, model, named):
    backend.reply(chunks=WORDS, model=named)
    assert chat(gateway, customer, model).json()["model"] == model.name
    assert backend.last.json["model"] == model.upstream
    events = streamed(gateway, customer, model)
    assert {event["model"] for event in events} == {model.name}
    assert text_of(events) == "one two three"


def test_the_model_shown_is_the_public_id_also_where_the_upstream_name_is_the_same(gateway, customer, backend):
    model = new_model(backend.base_url)
    same = until_known(new_model(backend.base_url, upstream=model.name), gateway)
    backend.reply(chunks=WORDS, model="/srv/weights.gguf")
    assert chat(gateway, customer, same).json()["model"] == same.name


def test_a_model_name_inside_the_text_is_left_alone(gateway, customer, backend, model):
    text = json.dumps({"model": model.upstream})
    backend.reply(chunks=[text])
    assert text_of(streamed(gateway, customer, model)) == text
    assert chat(gateway, customer, model).json()["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}], ids=["none", "empty", "false"])
@pytest.mark.parametrize("every", [False, True], ids=["at the end", "in every chunk"])
def test_usage_is_hidden_from_a_stream_that_did_not_ask(gateway, customer, backend, model, options, every):
    backend.reply(chunks=WORDS, usage_every_chunk=every)
    fields = {} if options is None else {"stream_options": options}
    events = streamed(gateway, customer, model, **fields)
    assert all("usage" not in event and event["choices"] for event in events)
    assert text_of(events) == "one two three"
    assert backend.last.json["stream_options"]["include_usage"] is True  # we always ask
    assert customer.settled()[0].completion_tokens == 3


def test_usage_reaches_a_stream_that_asked(gateway, customer, backend, model):
    events = streamed(gateway, customer, model, stream_options={"include_usage": True})
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}


def test_usage_is_in_every_whole_answer(gateway, customer, backend, model):
    assert chat(gateway, customer, model).json()["usage"]["total_tokens"] == 13
    assert "stream_options" not in backend.last.json


def test_unknown_fields_pass_in_both_directions(gateway, customer, backend, model):
    body = {"extra": {"deep": [1, 2.50, "ü"]}, "top_k": 7, "seed": 2**60}
    chat(gateway, customer, model, **body)
    assert {name: backend.last.json[name] for name in body} == body


@pytest.mark.parametrize(
    "form",
    [Sse(newline="\r\n"), Sse(newline="\r"), Sse(prefix="data:"), Sse(before_each=": ping\nevent: message"), Sse(multiline=True)],
    ids=["CRLF", "CR", "no space", "comments", "several data lines"],
)
@pytest.mark.parametrize("split", [1, 7, None], ids=["byte by byte", "in sevens", "whole"])
def test_every_spelling_of_a_stream_arrives_as_the_same_text(gateway, customer, backend, model, form, split):
    words = ["a\u2028b ", "c\u0085d ", "über ", "名前 ", '"quoted"\n\n', "\x0b\x0c"]
    backend.reply(chunks=words, sse=form, split=split)
    events = streamed(gateway, customer, model)
    assert text_of(events) == "".join(words)
    assert {event["model"] for event in events} == {model.name}


def test_stream_headers_forbid_buffering(gateway, customer, backend, model):
    with OpenCall(gateway, customer, model) as call:
        headers = call.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-cache"
        assert headers["x-accel-buffering"] == "no"


def test_every_token_is_passed_on_as_it_comes(gateway, customer, backend, model):
    gate = backend.gate("before_chunk:1")
    with OpenCall(gateway, customer, model) as call:
        assert text_of(call.take(2)) == "one "  # while the backend still waits
        gate.wait_reached()
        gate.release()
        assert text_of(call.rest()) == "two three"
