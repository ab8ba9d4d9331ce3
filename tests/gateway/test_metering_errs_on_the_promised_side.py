"""Counting and pricing without a tokenizer: never below zero, holds at least as high as what is counted, charges never above the hold."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.pricing import Rates, Usage
from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway import metering
from apps.gateway.errors import BadRequest
from apps.gateway.metering import charge, output_estimate, prompt_estimate, prompt_upper_bound, text_estimate
from apps.gateway.openai.chat import chat_completions
from apps.gateway.plan import plan
from apps.usage.models import Status

prices = st.integers(0, 10**10)
rates = st.builds(Rates, st.just(1), prices, prices, prices, st.integers(0, 10**15))
tokens = st.integers(0, 10**7)
usages = st.builds(Usage, tokens, tokens, tokens, tokens)
contents = st.one_of(
    st.text(max_size=300), st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=100)}), max_size=3)
)
messages = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": contents}), min_size=1, max_size=4)
BACKEND = BackendEntry(1, "http://b/v1", "", "upstream", 1, None, 1.0, 1.0, 1.0, None)
MODEL = ModelEntry(1, "m", "m", "", 0, 8_192, None, 1_024, "", (), (), (), frozenset(), {}, (), ())


@given(messages)
def test_the_bound_of_a_prompt_is_no_lower_than_its_estimate(prompt):
    raw = json.dumps(prompt, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    assert 0 < prompt_estimate(raw) <= prompt_upper_bound(len(raw))


@given(st.text())
def test_a_text_is_a_token_a_byte_at_most_and_a_quarter_at_least(text):
    size = len(text.encode("utf-8", "surrogatepass"))
    assert size / 4 - text_estimate(text) <= len(text)
    assert 0 <= text_estimate(text) <= size


@given(st.binary(max_size=200))
def test_no_prompt_is_too_broken_to_be_counted(raw):
    assert prompt_estimate(raw) >= 0


@pytest.mark.parametrize("raw", [b"[" * 5_000 + b"]" * 5_000, b'[{"content":"\xff"}]', b'[{"content":"\\ud800"}]', b'"x"', b"3"])
def test_hostile_prompts_are_counted_too(raw):
    assert prompt_estimate(raw) >= 0


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}},
        {"type": "image_url", "image_url": {"url": "https://example.com/picture.png"}},
        {"type": "input_audio", "input_audio": {"data": "A" * 400_000, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + "A" * 400_000}},
    ],
)
def test_a_picture_or_a_recording_counts_as_one_however_it_is_given(part):
    request = chat_completions.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode())
    assert 2_000 <= request.prompt_estimate() <= request.prompt_bound() < 2_100


@pytest.mark.parametrize("filling", ["1,", "[],", '"a",', '"字",'])
def test_a_prompt_of_megabytes_is_not_looked_through(filling):
    """Whatever it is made of: looking through this took seconds, in which no stream of the process went on."""
    values = (filling * (2_000_000 // len(filling.encode()))).rstrip(",")
    part = '{"type":"x","d":[' + values + "]}"
    request = chat_completions.parse(f'{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}'.encode())
    with mock.patch.object(metering, "_collect", side_effect=AssertionError("it was looked through")):
        assert 400_000 < request.prompt_estimate() <= request.prompt_bound()


def test_what_else_is_in_a_file_is_not_made_into_objects():
    part = '{"type":"file","file":{"file_id":"f","d":[' + "[]," * 400_000 + "[]]}}"
    body = f'{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}'.encode()
    tracemalloc.start()
    try:
        chat_completions.parse(body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * len(body)  # as values they take twenty times as much


def test_messages_that_must_be_taken_apart_are_bounded():
    values = "[]," * 1_000_000 + "1"
    body = '{"model":"m","function_call":"none","messages":[{"role":"user","content":[{"type":"x","d":[' + values + "]}]}]}"
    with pytest.raises(BadRequest, match="at most 1000000 values"):
        chat_completions.parse(body.encode()).for_backend(MODEL, BACKEND, None)


@pytest.mark.parametrize(
    "content", ["data:base64," + "hello world " * 1_000, [{"type": "text", "text": "data:base64," + "hello world " * 1_000}]]
)
def test_a_text_that_looks_like_a_data_url_is_text(content):
    request = chat_completions.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode())
    assert request.prompt_bound() > 6_000
    assert request.prompt_estimate() > 3_000


def test_what_an_engine_may_make_of_unknown_fields_is_held_for():
    fields = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    plain = chat_completions.parse(json.dumps(fields).encode()).prompt_bound()
    larger = chat_completions.parse(json.dumps({**fields, "documents": [{"text": "x" * 10_000}]}).encode()).prompt_bound()
    assert larger > plain + 4_900


def test_usage_without_output_is_not_believed_of_an_answer_that_had_some():
    rates = Rates(1, 1_000, 1_000, 2_000, 0)
    paid = charge(Status.COMPLETED, reported=Usage(10, 0), prompt_tokens=12, output_tokens=7, rates=rates, held=10**9)
    assert (paid.usage.prompt_tokens, paid.usage.completion_tokens, paid.estimated) == (12, 7, True)
    assert paid.cost == 12 + 14


@given(st.integers(0, 10**6), st.integers(0, 10**7))
def test_output_is_counted_by_chunks_or_by_bytes_where_chunks_are_long(pieces, size):
    counted = output_estimate(pieces, size)
    assert counted >= pieces or counted * 4 >= size


@given(st.sampled_from(Status), st.none() | usages, tokens, tokens, rates, st.integers(0, 10**15), st.booleans())
def test_a_charge_is_never_negative_nor_above_the_hold_unless_the_backend_said_so(status, reported, prompt, output, rates, held, sent):
    paid = charge(status, reported=reported, prompt_tokens=prompt, output_tokens=output, rates=rates, held=held, sent=sent)
    assert paid.cost >= 0
    assert min(paid.usage.prompt_tokens, paid.usage.completion_tokens) >= 0
    if paid.cost > held:
        assert status == Status.COMPLETED
        assert paid.usage is reported
    if not sent:
        assert paid.cost == 0
    if status in (Status.FAILED, Status.LOST):
        assert paid.usage.prompt_tokens == 0
        assert paid.cost <= -(-output * rates.output_pico // 1_000)


@given(
    rates,
    st.integers(0, 20_000),
    st.integers(1, 128),
    st.none() | st.integers(1, 10**7),
    st.integers(1, 8_192),
    st.none() | st.integers(1, 8_192),
)
def test_a_hold_covers_what_the_backend_is_allowed_to_write(rates, prompt_bound, choices, max_output, default, longest):
    model = replace(MODEL, default_max_output=default, max_output_length=longest)
    bounds = plan(model, rates, prompt_bound=prompt_bound, prompts=1, choices=choices, max_output=max_output)
    assert 1 <= bounds.output_least <= bounds.output_wanted <= model.context_length
    assert bounds.prompt_bound <= model.context_length
    assert bounds.tpm_tokens >= bounds.prompt_bound
    for granted in {bounds.output_least, bounds.output_wanted}:
        sent = bounds.bound_for_backend(granted)
        if sent is None:  # only the model's own default, where the context may end the answer first
            assert max_output is None
            assert granted == bounds.output_wanted
        else:
            assert sent == granted
        everything = Usage(bounds.prompt_bound, choices * granted)
        whole = charge(
            Status.COMPLETED,
            reported=everything,
            prompt_tokens=0,
            output_tokens=0,
            rates=replace(rates, cached_input_pico=rates.input_pico),
            held=0,
        )
        assert bounds.held(granted) == whole.cost
