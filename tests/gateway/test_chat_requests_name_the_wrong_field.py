"""A request with a wrong field is a 400 that names it; what is right reaches the backend byte for byte."""

from __future__ import annotations

import json
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway.errors import BadRequest
from apps.gateway.openai.chat import ChatCompletionRequest, chat_completions
from apps.gateway.openai.fields import LEFT_OUT

BACKEND = BackendEntry(1, "http://b/v1", "", "upstream", 1, None, 1.0, 1.0, 1.0, None)
MODEL = ModelEntry(1, "m", "m", "", 0, 8_192, None, 1_024, "", (), (), (), frozenset(), {}, (BACKEND,), ())
RIGHT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
WRONG = {
    "model": [1, None, "", "x" * 201, {}],
    "messages": [None, "hi", {}, [], 3],
    "stream": ["yes", 1],
    "stream_options": ["x", []],
    "max_tokens": [0, -1, 1.5, "5", True, 10**8],
    "max_completion_tokens": [0, "5"],
    "n": [0, 129, "2", 1.5],
    "temperature": [-0.1, 2.1, "warm", []],
    "top_p": [-1, 1.1],
    "frequency_penalty": [-2.1, 2.1],
    "presence_penalty": ["x"],
    "stop": [3, [1]],
    "seed": ["x", 1.5],
    "logprobs": ["x"],
    "top_logprobs": [-1, 21],
    "logit_bias": [[], {"5": "x"}, {"5": 101}],
    "user": [3],
    "service_tier": ["gold"],
    "tools": [{}, "x"],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_field_is_named(field, value):
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(json.dumps({**RIGHT, field: value}).encode())
    assert refused.value.param is not None
    assert refused.value.param.split(".")[0].split("[")[0] == field
    assert refused.value.message.startswith(refused.value.param)


@pytest.mark.parametrize("field", ["model", "messages"])
def test_a_missing_field_is_named(field):
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(json.dumps({name: value for name, value in RIGHT.items() if name != field}).encode())
    assert (refused.value.param, refused.value.code) == (field, "missing_required_parameter")


def test_a_wrong_message_is_named_by_its_place():
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(json.dumps({**RIGHT, "messages": [*RIGHT["messages"], {"content": "no role"}]}).encode())
    assert refused.value.param == "messages[1].role"


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers() | st.floats(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)).map(
        lambda v: json.dumps(v).encode()
    )
)
def test_whatever_comes_is_a_request_or_a_400(body):
    try:
        chat_completions.parse(body)
    except BadRequest as refused:
        error = refused
    else:
        return
    assert (error.status, bool(error.message)) == (400, True)


fields = st.dictionaries(
    st.text(min_size=1).filter(lambda name: name.casefold() not in {*ChatCompletionRequest.__struct_fields__, *LEFT_OUT, "best_of"}),
    st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
)


@given(fields, st.booleans(), st.none() | st.integers(1, 100))
def test_all_else_reaches_the_backend_as_it_is(extra, stream, max_output):
    options = {"stream_options": {"include_usage": False, "other": 1}} if stream else {}
    body = json.dumps({**extra, **RIGHT, **options, "stream": stream, "preset": None}).encode()
    sent = json.loads(chat_completions.parse(body).for_backend(MODEL, BACKEND, max_output))
    expected = {**extra, **RIGHT, "model": "upstream", "stream": stream}
    if stream:
        expected["stream_options"] = {"include_usage": True, "other": 1}
    if max_output is not None:
        expected["max_tokens"] = max_output
    assert sent == expected


def test_of_a_field_given_twice_the_same_one_counts_for_us_and_for_the_backend():
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":1,"max_tokens":9,"n":1,"n":5}'
    request = chat_completions.parse(body)
    sent = request.for_backend(MODEL, BACKEND, None)
    assert (request.max_output, request.choices) == (9, 5)
    assert sent.count(b'"max_tokens"') == sent.count(b'"n"') == 1
    assert json.loads(sent) | {"max_tokens": 9, "n": 5} == json.loads(sent)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_tokens": 0}, "max_tokens: must be at least 1."),
        ({"max_tokens": "9"}, "max_tokens: expected an integer, got a string."),
        ({"temperature": 3}, "temperature: must be at most 2.0."),
        ({"stream": 1}, "stream: expected true or false, got an integer."),
        ({"stop": 5}, "stop: expected a string or a list, got an integer."),
        ({"model": ""}, "model: must be of a length of at least 1."),
    ],
)
def test_the_error_says_what_to_do_in_words(fields, text):
    with pytest.raises(BadRequest) as refused:
        chat_completions.parse(json.dumps({**RIGHT, **fields}).encode())
    assert refused.value.message == text


def test_what_is_accepted_can_be_decoded_by_callers_that_stand_deeper():
    """Decoding goes as deep as the stack allows; counting a prompt at the end of its request has less of it left."""

    def nested(depth):
        return json.dumps(RIGHT)[:-1].encode() + b',"more":' + b"[" * depth + b"1" + b"]" * depth + b"}"

    def accepted(depth):
        try:
            chat_completions.parse(nested(depth))
        except BadRequest:
            return False
        return True

    def decode_deeper(frames, body):
        return decode_deeper(frames - 1, body) if frames else msgspec.json.decode(body)

    deepest = next(depth for depth in range(sys.getrecursionlimit(), 0, -1) if accepted(depth))
    decode_deeper(40, nested(deepest))
