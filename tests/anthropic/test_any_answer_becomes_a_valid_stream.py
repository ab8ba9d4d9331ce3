"""Whatever chunks a backend sends, its client reads a valid Anthropic stream with the same text, thinking and tool arguments."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.openai.template import ChunkTemplate
from tests.anthropic.answers import calls, chunk, reader, streamed, whole
from tests.anthropic.streams import parsed_events

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
objects = st.dictionaries(texts, st.one_of(texts, st.integers(), st.none(), st.lists(texts, max_size=2)), max_size=3).map(json.dumps)
arguments = st.one_of(objects, objects.map(lambda text: text[:-1]), st.just(""), texts)


@st.composite
def tool_calls(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """The pieces of some tool calls, each in order, in the habits of different engines."""
    result = []
    habit = draw(st.sampled_from(["once", "id every time", "all every time", "a new id every time", "no id"]))
    for index in range(draw(st.integers(0, 3))):
        text = draw(arguments)
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
        fragments = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        pieces = []
        for number, fragment in enumerate(fragments):
            piece: dict[str, Any] = {"index": index, "function": {"arguments": fragment}}
            if number == 0 or habit == "all every time":
                piece["function"]["name"] = f"tool{index}"
            if habit != "no id" and (number == 0 or habit != "once"):
                piece["id"] = f"call{index}" if habit != "a new id every time" else f"call{index}-{number}"
            pieces.append(piece)
        result.append(pieces)
    return result


@st.composite
def answers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Deltas with text, thinking and pieces of calls, in any order and together."""
    waiting = draw(tool_calls())
    deltas: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 4)) + sum(map(len, waiting))):
        delta: dict[str, Any] = {}
        if draw(st.booleans()):
            delta["content"] = draw(texts)
        if draw(st.booleans()):
            delta[draw(st.sampled_from(["reasoning_content", "reasoning"]))] = draw(texts)
        if (left := [pieces for pieces in waiting if pieces]) and draw(st.booleans()):
            delta["tool_calls"] = [draw(st.sampled_from(left)).pop(0)]
        deltas.append(delta)
    deltas += [{"tool_calls": [piece]} for pieces in waiting for piece in pieces]
    return deltas


def said(deltas: list[dict[str, Any]], *names: str) -> str:
    return "".join(delta.get(name, "") for delta in deltas for name in names)


def arguments_of(deltas: list[dict[str, Any]]) -> dict[str, str]:
    """By the name of the tool."""
    found: dict[str, str] = {}
    for delta in deltas:
        for piece in delta.get("tool_calls", ()):
            name = f"tool{piece['index']}"
            found[name] = found.get(name, "") + piece["function"]["arguments"]
    return found


@given(answers())
def test_a_stream_says_the_same(deltas: list[dict[str, Any]]) -> None:
    message = streamed(*map(chunk, deltas), chunk({}, "stop"))
    assert message.text == said(deltas, "content")
    assert message.thinking == said(deltas, "reasoning_content", "reasoning")
    assert {call.name: call.text for call in message.calls} == arguments_of(deltas)
    assert len(message.calls) == len(arguments_of(deltas))
    assert message.stop_reason == ("tool_use" if message.calls else "end_turn")


@given(answers())
def test_hidden_thinking_leaves_no_trace(deltas: list[dict[str, Any]]) -> None:
    message = streamed(*map(chunk, deltas), chunk({}, "stop"), hide_thinking=True)
    assert message.text == said(deltas, "content")
    assert not [block for block in message.blocks if block.type == "thinking"]
    assert {call.name: call.text for call in message.calls} == arguments_of(deltas)


@given(st.lists(st.one_of(st.none(), texts, st.integers(), st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2)), max_size=6))
def test_strange_deltas_are_refused_or_read_but_never_crash(values: list[Any]) -> None:
    from apps.gateway.endpoint import BadAnswer

    for name in ("content", "reasoning_content", "tool_calls", "refusal"):
        try:
            streamed(*(chunk({name: value}) for value in values), chunk({}, "stop"))
        except BadAnswer:
            assert name == "tool_calls"


@given(texts, texts, st.dictionaries(texts, st.integers(), max_size=3))
def test_a_whole_answer_says_what_its_stream_says(text: str, thought: str, call_input: dict[str, int]) -> None:
    function = {"name": "tool", "arguments": json.dumps(call_input)}
    answer = whole({"content": text, "reasoning_content": thought, "tool_calls": [{"id": "c1", "type": "function", "function": function}]})
    stream = streamed(
        chunk({"reasoning_content": thought}),
        chunk({"content": text}),
        calls({"index": 0, "id": "c1", "function": function}),
        chunk({}, "stop"),
    )
    assert [block["type"] for block in answer["content"]] == [block.type for block in stream.blocks] == ["thinking", "text", "tool_use"]
    assert (answer["content"][0]["thinking"], answer["content"][1]["text"]) == (stream.thinking, stream.text) == (thought, text)
    assert answer["content"][2]["input"] == json.loads(stream.calls[0].text) == call_input
    assert answer["stop_reason"] == stream.stop_reason == "tool_use"


def without_ids(frames: bytes) -> bytes:
    """What is made up is new each time."""
    return re.sub(rb"(?:msg|toolu)_[0-9a-f]{32}", b"ID", frames)


@given(answers(), st.booleans())
def test_a_chunk_that_is_not_decoded_reads_like_one_that_is(deltas: list[dict[str, Any]], omit_thinking: bool) -> None:
    """Chunks that differ from the last one by their text alone are filled into its form (apps/gateway/openai/template.py)."""
    payloads = [*map(chunk, deltas), *[chunk({"content": text}) for text in ("index", "0", "text", "\\", '"', "ü")], chunk({}, "stop")]
    with pytest.MonkeyPatch.context() as patch:
        quick, slow = reader(omit_thinking=omit_thinking), reader(omit_thinking=omit_thinking)
        shown = [without_ids(quick.event(payload)) for payload in payloads]
        patch.setattr(ChunkTemplate, "learn", lambda *_: None)
        decoded = [without_ids(slow.event(payload)) for payload in payloads]
    assert shown == decoded
    assert (quick.pieces, quick.text_bytes) == (slow.pieces, slow.text_bytes)
    assert without_ids(quick.end()) == without_ids(slow.end())


def test_most_chunks_of_text_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in (("content", "text"), ("reasoning_content", "thinking")):
        answer = reader()
        for text in ("the first", "the second"):
            answer.event(chunk({name: text}))
        with monkeypatch.context() as patch:
            patch.setattr("apps.gateway.anthropic.events.decode_chunk", lambda _: pytest.fail("decoded"))
            [(_, event)] = parsed_events(answer.event(chunk({name: "the third"})))
        assert event["delta"][kind] == "the third"
        assert answer.pieces == 3
