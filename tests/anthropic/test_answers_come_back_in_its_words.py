"""What a backend says becomes blocks, a stop reason and usage, whatever its habits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.gateway.anthropic.thinking import signed_text
from apps.gateway.endpoint import BackendRefused, BadAnswer
from tests.anthropic.answers import END, PROMPT_TOKENS, call, calls, chunk, reader, streamed, whole
from tests.anthropic.streams import parsed_events

USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}


def function(arguments: Any, name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}, **fields}


@pytest.mark.parametrize(
    ("finish_reason", "delta", "stop_reason"),
    [
        ("stop", {"content": "a"}, "end_turn"),
        ("length", {"content": "a"}, "max_tokens"),
        ("content_filter", {"content": "a"}, "refusal"),
        ("stop", {"refusal": "I will not."}, "refusal"),
        ("tool_calls", {"tool_calls": [function("{}", index=0)]}, "tool_use"),
        ("stop", {"tool_calls": [function("{}", index=0)]}, "tool_use"),
        ("length", {"tool_calls": [function('{"a', index=0)]}, "max_tokens"),
        ("tool_calls", {"content": "a"}, "end_turn"),
        ("eos", {"content": "a"}, "end_turn"),
    ],
)
def test_why_it_stopped(finish_reason: str, delta: dict[str, Any], stop_reason: str) -> None:
    assert streamed(chunk(delta), chunk({}, finish_reason)).stop_reason == stop_reason
    assert whole(delta, finish_reason)["stop_reason"] == stop_reason


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(("said", "sequence"), [("END", "END"), ("other", None), (None, None), (128009, None)])
def test_the_stop_sequence_that_was_hit_is_named(field: str, said: Any, sequence: str | None) -> None:
    choice = {"index": 0, "delta": {}, "message": {"content": "a"}, "finish_reason": "stop", field: said}
    payload = json.dumps({"choices": [choice]}).encode()
    message = streamed(chunk({"content": "a"}), payload, stop_sequences=["STOP", "END"])
    answer = json.loads(reader(stop_sequences=["STOP", "END"]).whole(payload))
    expected = ("stop_sequence" if sequence else "end_turn", sequence)
    assert (message.stop_reason, message.stop_sequence) == (answer["stop_reason"], answer["stop_sequence"]) == expected


def test_tokens_from_the_cache_stand_beside_the_input() -> None:
    expected = {"input_tokens": 8, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 5}
    assert whole({"content": "a"}, usage=USAGE)["usage"] == expected
    message = streamed(chunk({"content": "a"}), END, chunk(usage=USAGE))
    assert message.usage == expected
    assert message.start["usage"]["input_tokens"] == 5, "an estimate, at the start"


def test_thinking_is_counted_among_the_output() -> None:
    usage = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 3}}
    assert whole({"content": "a"}, usage=usage)["usage"]["output_tokens_details"] == {"thinking_tokens": 3}


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": 12, "completion_tokens": 0}])
def test_what_is_not_reported_is_counted_here(usage: Any) -> None:
    message = streamed(chunk({"content": "a"}), chunk({"content": "b"}), END, *([chunk(usage=usage)] if usage else []))
    assert (message.usage["input_tokens"], message.usage["output_tokens"]) == (PROMPT_TOKENS, 2)


def test_the_blocks_of_a_whole_answer() -> None:
    answer = whole({"content": "Hi", "reasoning": "Hm.", "tool_calls": [function('{"a":[1]}')]}, "tool_calls")
    thinking, text, use = answer["content"]
    assert thinking.pop("signature")
    assert thinking == {"type": "thinking", "thinking": "Hm."}
    assert text == {"type": "text", "text": "Hi"}
    assert use == {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": [1]}}
    assert (answer["type"], answer["role"], answer["model"], answer["stop_sequence"]) == ("message", "assistant", "org/model", None)
    assert answer["id"].startswith("msg_")


@pytest.mark.parametrize("message", [{"content": None}, {"content": ""}, {}, {"content": "", "tool_calls": []}])
def test_an_answer_may_be_empty(message: dict[str, Any]) -> None:
    assert whole(message)["content"] == []
    stream = streamed(chunk(message), END)
    assert (stream.blocks, stream.stop_reason) == ([], "end_turn")


@pytest.mark.parametrize(
    ("arguments", "call_input"),
    [
        ('{"a":1}', {"a": 1}),
        ('{"a":12345678901234567890123}', {"a": 12345678901234567890123}),
        ("", {}),
        (" \n", {}),
        ("null", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a":', {"INVALID_JSON": '{"a":'}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('"x"', {"INVALID_JSON": '"x"'}),
        ("{" * 5_000, {"INVALID_JSON": "{" * 5_000}),
    ],
)
def test_the_input_of_a_call_is_an_object_whatever_the_model_wrote(arguments: Any, call_input: Any) -> None:
    [block] = whole({"tool_calls": [function(arguments)]})["content"]
    assert block["input"] == call_input


def test_a_name_or_id_that_is_missing_is_made_up() -> None:
    first, second = whole({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}, {"id": "c", "function": {}}]})["content"]
    assert first["id"].startswith("toolu_")
    assert (second["id"], second["name"]) == ("c", "unknown_tool")
    [call_block] = streamed(calls(call(0, arguments="{}")), END).calls
    assert call_block.id.startswith("toolu_")
    assert (call_block.name, call_block.text) == ("unknown_tool", "{}")


def test_an_id_that_comes_twice_is_given_once() -> None:
    first, second = whole({"tool_calls": [function("{}"), function("{}")]})["content"]
    assert first["id"] == "c1" != second["id"]
    message = streamed(calls(call(0, "c1", "f", "{}")), calls(call(1, "c1", "f", "{}")), END)
    assert [block.id == "c1" for block in message.calls] == [True, False]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # id and name once, then arguments alone
        ([call(0, "a", "f", ""), call(0, None, None, '{"x'), call(0, None, None, '":1}')], [("a", "f", '{"x":1}')]),
        # everything every time
        ([call(0, "a", "f", '{"x'), call(0, "a", "f", '":1}')], [("a", "f", '{"x":1}')]),
        # a new id every time, the name once (older vLLM)
        ([call(0, "a", "f", '{"x'), call(0, "b", None, '":1}')], [("a", "f", '{"x":1}')]),
        # whole calls that all say index 0 (Ollama)
        ([call(0, "a", "f", "{}"), call(0, "b", "g", "{}")], [("a", "f", "{}"), ("b", "g", "{}")]),
        # no index at all
        ([call(None, "a", "f", "{}"), call(None, "b", "g", "{"), call(None, None, None, "}")], [("a", "f", "{}"), ("b", "g", "{}")]),
        ([call(None, "a", "f", "{"), call(None, "a", None, "}")], [("a", "f", "{}")]),
        # the name comes late, the id later
        ([call(0, "a", None, '{"x'), call(0, None, "f", '":1}')], [("a", "f", '{"x":1}')]),
        # null where others leave out
        (
            [{"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}, {"index": 0, "id": None, "function": None}],
            [("a", "f", "")],
        ),
        # an object where others write a string
        ([call(0, "a", "f", {"x": 'u"'})], [("a", "f", '{"x": "u\\""}')]),
    ],
)
def test_pieces_of_calls_in_the_habits_of_many_engines(pieces: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    message = streamed(*map(calls, pieces), END)
    assert [(block.id, block.name, block.text) for block in message.calls] == expected


def test_a_call_streams_as_it_comes() -> None:
    answer = reader()
    started = answer.event(calls(call(0, "a", "f", "")))
    assert [name for name, _ in parsed_events(started)] == ["message_start", "content_block_start"]
    [(_, event)] = parsed_events(answer.event(calls(call(0, None, None, '{"x'))))
    assert event == {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"x'}}


def test_a_call_that_is_complete_makes_room_for_the_next_at_once() -> None:
    answer = reader()
    answer.event(calls(call(0, "a", "f", "{}")))
    second = parsed_events(answer.event(calls(call(1, "b", "g", '{"y'))))
    assert [name for name, _ in second] == ["content_block_stop", "content_block_start", "content_block_delta"]


def test_interleaved_calls_wait_for_their_turn() -> None:
    answer = reader()
    answer.event(calls(call(0, "a", "f", '{"x":')))
    assert answer.event(calls(call(1, "b", "g", '{"y":'))) == b""
    assert answer.event(chunk({"content": "Meanwhile."})) == b""
    assert len(parsed_events(answer.event(calls(call(0, None, None, "1}"))))) == 1
    message = streamed(
        calls(call(0, "a", "f", '{"x":')), calls(call(1, "b", "g", '{"y":')), chunk({"content": "Meanwhile."}),
        calls(call(0, None, None, "1}")), calls(call(1, None, None, "2}")), END,
    )  # fmt: skip
    assert [(block.type, block.text) for block in message.blocks] == [
        ("tool_use", '{"x":1}'),
        ("tool_use", '{"y":2}'),
        ("text", "Meanwhile."),
    ]


def test_text_and_a_call_in_one_delta() -> None:
    message = streamed(chunk({"content": "I'll look.", "tool_calls": [function("{}", index=0)]}), END)
    assert [(block.type, block.text) for block in message.blocks] == [("text", "I'll look."), ("tool_use", "{}")]


def test_thinking_is_signed_and_may_come_again() -> None:
    message = streamed(chunk({"reasoning_content": "a"}), chunk({"content": "b"}), chunk({"reasoning": "c"}), END)
    assert [(block.type, block.text) for block in message.blocks] == [("thinking", "a"), ("text", "b"), ("thinking", "c")]
    assert all(block.signature for block in message.blocks if block.type == "thinking")


def test_thinking_under_both_names_is_one() -> None:
    assert streamed(chunk({"reasoning_content": "a", "reasoning": "a"}), END).thinking == "a"


def test_omitted_thinking_is_carried_by_its_signature() -> None:
    message = streamed(
        chunk({"reasoning_content": "Hm, "}), chunk({"reasoning_content": "ü\n."}), chunk({"content": "Hi"}), END, omit_thinking=True
    )
    thinking, text = message.blocks
    assert (thinking.type, thinking.text, text.text) == ("thinking", "", "Hi")
    assert signed_text(thinking.signature) == "Hm, ü\n."
    [block, _] = whole({"reasoning": "Hm.", "content": "Hi"}, omit_thinking=True)["content"]
    assert (block["thinking"], signed_text(block["signature"])) == ("", "Hm.")


def test_hidden_thinking_is_not_there() -> None:
    assert [block["type"] for block in whole({"reasoning": "Hm.", "content": "Hi"}, hide_thinking=True)["content"]] == ["text"]


@pytest.mark.parametrize("text", ['"quoted"\n\n', "a\u2028b\u0085c\x0b", "🎉", "\\u0041", "</s>"])
def test_text_is_passed_on_unchanged(text: str) -> None:
    for ascii_only in (True, False):
        payload = json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=ascii_only).encode()
        assert streamed(payload, END).text == text


def test_what_is_no_utf8_is_shown_as_such() -> None:
    assert streamed(b'{"choices":[{"index":0,"delta":{"content":"a\xff"}}]}', END).text == "a\ufffd"


@pytest.mark.parametrize("payload", [b"{", b"[1]", b'{"choices": "none"}', b"\x00\xff"])
def test_garbage_is_not_passed_on(payload: bytes) -> None:
    with pytest.raises(BadAnswer):
        reader().event(payload)
    with pytest.raises(BadAnswer):
        reader().whole(payload)


def test_an_error_object_is_no_answer() -> None:
    for read in (reader().event, reader().whole):
        with pytest.raises(BackendRefused):
            read(b'{"error": {"message": "CUDA"}}')


def test_a_whole_answer_without_a_message_is_refused() -> None:
    for body in (b"{}", b'{"choices": []}', b'{"choices": [{"index": 0}]}'):
        with pytest.raises(BadAnswer):
            reader().whole(body)


def test_a_stream_has_finished_when_its_reason_came() -> None:
    answer = reader()
    answer.event(chunk({"content": "a"}))
    assert not answer.finished
    answer.event(END)
    assert answer.finished
    assert not answer.done
