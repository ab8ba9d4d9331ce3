"""Promise: code on pages is the code that is copied, whatever is in it, and no part of it becomes markup."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.code_samples import WORDS, highlighted
from apps.dashboard.snippets import first_call

LANGUAGES = [*WORDS, "unknown"]


@given(st.text(), st.sampled_from(LANGUAGES))
def test_colours_change_no_character(text: str, language: str) -> None:
    marked = highlighted(text, language)
    assert unescape(re.sub(r'</?span(?: class="[skic]")?>', "", marked)) == text
    assert not re.search(r"<(?!/?span)", marked)


@pytest.mark.parametrize("language", WORDS)
def test_the_first_call_is_coloured(language: str) -> None:
    for sample in first_call("https://api.example.com", "org/model", "akml-key", agent_model="org/agent"):
        if sample.language == language:
            assert '<span class="s">' in highlighted(sample.text, language)


def test_a_given_key_is_in_every_sample_and_none_is_without_it() -> None:
    for sample in first_call("https://api.example.com", "org/model", "akml-key", agent_model="org/agent"):
        assert "akml-key" in sample.text
        assert "AKASHML_API_KEY" not in sample.text
    for sample in first_call("https://api.example.com", "org/model", agent_model=None):
        assert "AKASHML_API_KEY" in sample.text


def test_claude_code_is_shown_with_a_model_that_calls_tools_or_says_that_there_is_none() -> None:
    def shown(agent_model: str | None) -> str:
        *_, sample = first_call("https://api.example.com", "org/model", agent_model=agent_model)
        assert sample.language == "claude-code"
        return sample.text

    assert shown("org/agent").count('="org/agent"') == 3
    assert "org/model" not in shown("org/agent")
    assert shown(None).startswith("# ORG/MODEL: one that calls tools.")
