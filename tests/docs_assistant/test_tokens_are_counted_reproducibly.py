"""The tokenizer is deterministic and reversible, so that counts can be checked by anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.docs_assistant import tokenizer

# Lone surrogates cannot reach it: JSON that has them is refused.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_tokens_join_to_the_text_and_ids_turn_back_into_it(text):
    assert "".join(tokenizer.split(text)) == text
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(TEXT)
def test_a_text_has_no_more_tokens_than_characters_and_no_fewer_than_a_fifth(text):
    assert tokenizer.fewest(len(text)) <= tokenizer.count(text) == len(tokenizer.encode(text)) <= len(text)


@given(st.lists(st.tuples(st.sampled_from(tokenizer.ROLES), TEXT)))
def test_a_conversation_counts_its_texts_and_three_a_message(messages):
    expected = sum(tokenizer.count(text) + 3 for _, text in messages)
    assert len(tokenizer.encode_messages(messages)) == expected


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello, world!", ["Hell", "o", ",", " worl", "d", "!"]),
        ("a  b", ["a", "  ", "b"]),
        ("     x", ["    ", " x"]),
        ("\n\n\n\n\n", ["\n\n\n\n", "\n"]),
        ("max_tokens", ["max", "_", "toke", "ns"]),
        ("雨\u2028é", ["雨", "\u2028", "é"]),
        ("", []),
    ],
)
def test_the_rules_are_those_of_the_documentation(text, pieces):
    assert tokenizer.split(text) == pieces


@pytest.mark.parametrize("number", [-1, 2**40, 2**80, 0xFF])
def test_ids_that_no_text_has_are_refused(number):
    with pytest.raises(ValueError, match=r"token|codec"):
        tokenizer.decode([number])
