"""System prompts, messages and every kind of block become OpenAI's messages, in an order that every chat template takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.anthropic.requests import USER, assistant, image, result, said, sent, text, tool, use, user

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
CALL = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Oslo"}'}}


@pytest.mark.parametrize(
    ("system", "prompt"),
    [
        ("Be brief.", "Be brief."),
        ([text("Be brief.", cache_control={"type": "ephemeral"}), text("Be kind.")], "Be brief.\n\nBe kind."),
        ([text("x-anthropic-billing-header: cc_version=1; cch=abc;"), text("Be kind.")], "Be kind."),
    ],
)
def test_a_system_prompt_comes_first(system: Any, prompt: str) -> None:
    assert said(USER, system=system) == [{"role": "system", "content": prompt}, USER]


@pytest.mark.parametrize("system", [None, "", []])
def test_no_system_prompt_is_no_message(system: Any) -> None:
    assert said(USER, system=system) == [USER]


def test_system_messages_at_the_start_belong_to_the_prompt() -> None:
    messages = said({"role": "system", "content": "One."}, {"role": "system", "content": [text("Two.")]}, USER, system="Zero.")
    assert messages == [{"role": "system", "content": "Zero.\n\nOne.\n\nTwo."}, USER]


def test_a_later_system_message_is_marked_within_the_users_turn() -> None:
    messages = said(
        USER, {"role": "system", "content": [text("The date is known.")]}, assistant("Hi"), {"role": "system", "content": "New."}
    )
    assert messages == [
        {"role": "user", "content": "Hello\n\n<system-reminder>\nThe date is known.\n</system-reminder>"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "<system-reminder>\nNew.\n</system-reminder>"},
    ]


def test_a_system_message_for_one_turn_is_gone_in_the_next() -> None:
    passing = {"role": "system", "content": "Now.", "clear_at": "next_user_message"}
    assert said(USER, passing)[-1]["content"].endswith("Now.\n</system-reminder>")
    assert said(USER, passing, assistant("Hi"), USER) == [USER, {"role": "assistant", "content": "Hi"}, USER]


def test_text_alone_is_a_string_and_turns_in_a_row_are_one() -> None:
    assert said(user("a", "b"), user("c"), assistant("d"), {"role": "assistant", "content": "e"}, USER) == [
        {"role": "user", "content": "a\n\nb\n\nc"},
        {"role": "assistant", "content": "d\n\ne"},
        USER,
    ]


def test_pictures_keep_their_place() -> None:
    by_address = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert said(user("Look:", image(), by_address, "What is it?"))[0]["content"] == [
        text("Look:"),
        PICTURE,
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        text("What is it?"),
    ]


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "Once upon a time."}, "Once upon a time."),
        ({"type": "content", "content": "Once upon a time."}, "Once upon a time."),
        ({"type": "content", "content": [text("Once"), text("upon a time.")]}, "Once\n\nupon a time."),
    ],
)
def test_a_document_is_its_text_under_its_title(source: dict[str, Any], content: str) -> None:
    block = {"type": "document", "source": source, "title": "A <tale>", "context": "Old.", "citations": {"enabled": True}}
    assert said(user(block, "Sum up."))[0]["content"] == (
        f'<document title="A &lt;tale&gt;">\n\nOld.\n\n{content}\n\n</document>\n\nSum up.'
    )


def test_a_pdf_is_a_file() -> None:
    block = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}
    [part] = said(user(block))[0]["content"]
    assert part == {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}


def test_a_search_result_names_its_source() -> None:
    block = {"type": "search_result", "source": "https://a.example/?x=1&y", "title": "T", "content": [text("one"), text("two")]}
    assert said(user(block))[0]["content"] == (
        '<search_result source="https://a.example/?x=1&amp;y" title="T">\none\ntwo\n</search_result>'
    )


def test_a_call_and_its_result() -> None:
    messages = said(USER, assistant("I'll look.", use("t1", place="Oslo")), user(result("t1", "windy")), tools=[tool()])
    assert messages[1:] == [
        {"role": "assistant", "content": "I'll look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "windy"},
    ]


@pytest.mark.parametrize("empty", [{}, None])
def test_a_call_without_input_has_an_empty_object(empty: Any) -> None:
    [_, message, _] = said(USER, assistant({"type": "tool_use", "id": "t1", "name": "now", "input": empty}), user(result("t1")))
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_the_input_of_a_call_keeps_its_bytes() -> None:
    [_, message, _] = said(USER, assistant(use("t1", big=2**70, text="ü\u2028", small=1.0)), user(result("t1")))
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"big": 2**70, "text": "ü\u2028", "small": 1.0}


def test_results_come_before_whatever_else_the_turn_says() -> None:
    turn = user("By the way:", result("t1", [text("a"), text("b")]), result("t2", "no such place", is_error=True), "And now?")
    messages = said(USER, assistant(use("t1"), use("t2")), turn)
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "a\n\nb"},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: no such place"},
        {"role": "user", "content": "By the way:\n\nAnd now?"},
    ]


def test_what_a_result_shows_follows_it() -> None:
    messages = said(USER, assistant(use("t1")), user(result("t1", [image()]), "What do you see?"))
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "The result is shown in the next message."},
        {"role": "user", "content": [text("What the tool call t1 showed:"), PICTURE, text("What do you see?")]},
    ]


@pytest.mark.parametrize("content", [None, "", []])
def test_a_result_may_be_empty(content: Any) -> None:
    assert said(USER, assistant(use("t1")), user(result("t1", content)))[-1] == {"role": "tool", "tool_call_id": "t1", "content": ""}


def test_thinking_goes_back_to_the_model() -> None:
    thoughts = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "redacted_thinking", "data": "zzz"}]
    assert said(USER, assistant(*thoughts, "Hi"), USER)[1] == {"role": "assistant", "content": "Hi", "reasoning_content": "Hm."}


def test_blocks_of_other_servers_are_read_as_what_they_are() -> None:
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [{"title": "T"}],
        "encrypted_content": "zz",
        "cache_control": {},
    }
    [_, message] = said(
        USER, assistant({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}, found, "Done.")
    )
    first, second, last = message["content"].split("\n\n")
    assert json.loads(first)["input"] == {"query": "q"}
    assert json.loads(second) == {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"title": "T"}]}
    assert last == "Done."


def test_a_summary_stands_for_what_it_sums_up() -> None:
    assert said(user({"type": "compaction", "content": "They said hello."}, "Go on."))[0]["content"] == "They said hello.\n\nGo on."


def test_an_empty_turn_is_still_a_turn() -> None:
    assert said(user(), assistant(), USER) == [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}, USER]


def test_no_field_of_a_block_that_we_do_not_know_goes_on() -> None:
    assert "cache_control" not in json.dumps(sent(user(text("a", cache_control={"type": "ephemeral"}, citations=[]))))
