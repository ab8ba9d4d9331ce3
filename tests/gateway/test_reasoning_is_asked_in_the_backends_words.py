"""`reasoning` and `reasoning_effort` reach a backend as its model's settings say, and thinking comes back under both names or none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.openai.reasoning import SCALE, Reasoning, apply, nearest, show

EFFORT = {"effort": "reasoning_effort", "efforts": ["low", "medium", "high"]}
SWITCH = {"enabled": "chat_template_kwargs.enable_thinking"}
BOTH = {**EFFORT, **SWITCH, "max_tokens": "thinking_token_budget"}


def applied(settings: dict[str, Any], reasoning: Reasoning | None = None, effort: str | None = None, **fields: Any) -> dict[str, Any]:
    request = {"reasoning": "as sent", "reasoning_effort": "as sent", **fields}
    apply(request, settings, reasoning, effort)
    return request


def test_a_model_without_settings_gets_the_effort_as_written_and_no_field_of_ours() -> None:
    assert applied({}, Reasoning(effort="high"), "low") == {"reasoning_effort": "as sent"}


@pytest.mark.parametrize(
    ("reasoning", "effort", "sent"),
    [
        (None, "high", {"reasoning_effort": "high"}),
        (None, "minimal", {"reasoning_effort": "low"}),
        (None, "xhigh", {"reasoning_effort": "high"}),
        (Reasoning(effort="medium"), "high", {"reasoning_effort": "medium"}),
        (None, "none", {"reasoning_effort": "low"}),
        (Reasoning(enabled=True), None, {}),
    ],
)
def test_effort_becomes_what_the_backend_takes(reasoning: Reasoning | None, effort: str | None, sent: dict[str, Any]) -> None:
    assert applied(EFFORT, reasoning, effort) == sent


@pytest.mark.parametrize(
    ("reasoning", "effort", "thinks"),
    [
        (Reasoning(enabled=False), None, False),
        (Reasoning(enabled=True), None, True),
        (Reasoning(effort="low"), None, True),
        (Reasoning(effort="none"), None, False),
        (None, "none", False),
        (None, "low", True),
        (Reasoning(enabled=False, effort="high"), None, False),
    ],
)
def test_a_switch_is_set_where_the_model_keeps_it(reasoning: Reasoning | None, effort: str | None, thinks: bool) -> None:
    assert applied(SWITCH, reasoning, effort) == {"chat_template_kwargs": {"enable_thinking": thinks}}


def test_what_stands_beside_the_switch_stays() -> None:
    sent = applied(SWITCH, Reasoning(enabled=False), chat_template_kwargs=msgspec.Raw(b'{"custom": 1}'))
    assert sent == {"chat_template_kwargs": {"custom": 1, "enable_thinking": False}}


def test_a_budget_goes_where_the_model_keeps_it_unless_thinking_is_off() -> None:
    assert applied(BOTH, Reasoning(max_tokens=500))["thinking_token_budget"] == 500
    assert "thinking_token_budget" not in applied(BOTH, Reasoning(max_tokens=500, enabled=False))


@given(st.sampled_from(SCALE), st.lists(st.sampled_from(SCALE[1:]), min_size=1, unique=True))
def test_the_nearest_effort_is_one_the_backend_takes(effort: str, efforts: list[str]) -> None:
    chosen = nearest(effort, efforts)
    assert chosen in efforts
    distance = abs(SCALE.index(chosen) - SCALE.index(effort))
    assert all(distance <= abs(SCALE.index(other) - SCALE.index(effort)) for other in efforts)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking_is_shown_under_both_names(name: str) -> None:
    delta = {name: "hm", "content": None}
    show(delta, exclude=False)
    assert delta == {"reasoning": "hm", "reasoning_content": "hm", "content": None}


def test_excluded_thinking_is_shown_under_none() -> None:
    delta = {"reasoning": "hm", "reasoning_content": "hm", "reasoning_details": [{}], "content": "x"}
    show(delta, exclude=True)
    assert delta == {"content": "x"}
