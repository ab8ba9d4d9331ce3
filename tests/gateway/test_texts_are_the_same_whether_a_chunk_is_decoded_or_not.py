"""A chunk that is filled into the form of an earlier one reads for the client, and counts, exactly like one that was decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.endpoint import BadAnswer
from apps.gateway.openai.answers import AnswerReader, View
from apps.gateway.openai.template import ChunkTemplate


def a_reader(public_model: str = "org/model", **view: Any) -> AnswerReader:
    return AnswerReader(View("upstream", public_model, **{"show_usage": False, **view}), context_length=1000)


def chunk(text: str, *, name: str = "content", ascii_only: bool = True, **more: Any) -> bytes:
    body = {"id": "c1", "model": "upstream", "choices": [{"index": 0, "delta": {name: text}, "finish_reason": None}], **more}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=ascii_only).encode()


def without_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChunkTemplate, "learn", lambda *_: None)


chunks = st.builds(
    chunk,
    st.text() | st.sampled_from(["upstream", "org/model", "c1", "index", "\\", '"', "\n", "\u2028", ""]),
    name=st.sampled_from(["content", "content", "content", "reasoning_content", "reasoning", "refusal"]),
    ascii_only=st.booleans(),
)


@given(st.lists(chunks, max_size=12), st.booleans())
def test_for_any_texts(payloads: list[bytes], hide_reasoning: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick, slow = (a_reader(hide_reasoning=hide_reasoning) for _ in range(2))
        filled = [quick.event(payload) for payload in payloads]
        without_templates(patch)
        decoded = [slow.event(payload) for payload in payloads]
    assert filled == decoded
    assert (quick.pieces, quick.text_bytes) == (slow.pieces, slow.text_bytes)


def test_most_chunks_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = a_reader()
    reader.event(chunk("the first"))
    monkeypatch.setattr("apps.gateway.openai.answers.decode_chunk", lambda _: pytest.fail("decoded"))
    assert json.loads(reader.event(chunk("the second"))[6:])["choices"][0]["delta"]["content"] == "the second"
    assert reader.pieces == 2


@pytest.mark.parametrize("broken", [b'a"', b"\\", b"\\x", b"\\u12", b"a\nb", b'","role":"user'])
def test_what_is_no_text_is_not_taken_for_one(broken: bytes) -> None:
    reader = a_reader()
    reader.event(chunk("first"))
    payload = chunk("MARK").replace(b"MARK", broken)
    try:
        json.loads(payload)
    except ValueError:
        with pytest.raises(BadAnswer):
            reader.event(payload)
    else:
        assert json.loads(reader.event(payload)[6:])["choices"] == json.loads(payload)["choices"]


def test_the_end_and_the_usage_are_seen_after_any_number_of_texts() -> None:
    reader = a_reader(show_usage=True)
    for _ in range(100):
        reader.event(chunk("more"))
    end = {"model": "upstream", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    reader.event(json.dumps(end).encode())
    reader.event(b'{"model":"upstream","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":100}}')
    assert reader.finished
    assert reader.usage is not None
    assert (reader.usage.prompt_tokens, reader.usage.completion_tokens) == (7, 100)
    assert reader.pieces == 100


def test_a_text_like_the_name_of_the_model_stays_a_text() -> None:
    reader = a_reader(public_model="hello")
    for text in ("hello", "world", "upstream", "hello"):
        shown = json.loads(reader.event(chunk(text))[6:])
        assert shown["model"] == "hello"
        assert shown["choices"][0]["delta"]["content"] == text
