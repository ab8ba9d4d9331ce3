"""The output bound that credit was held for is the one the backend gets, whatever else a request says in an engine's own words."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from apps.gateway.endpoint import Endpoint
from apps.gateway.openai.chat import chat_completions
from apps.gateway.openai.completions import completions
from tests.gateway.entries import a_backend, a_model

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
TEXT = {"prompt": "hi"}


def sent(endpoint: Endpoint, max_output: int | None, **fields: Any) -> dict[str, Any]:
    request = endpoint.parse(msgspec.json.encode({"model": "org/model", **fields}))
    result: dict[str, Any] = json.loads(request.for_backend(a_model(), a_backend(upstream_model="upstream"), max_output))
    return result


@pytest.mark.parametrize("field", ["n_predict", "num_predict", "max_new_tokens"])
@pytest.mark.parametrize(("endpoint", "fields"), [(chat_completions, CHAT), (completions, TEXT)])
def test_an_engines_own_bound_is_left_out(endpoint: Endpoint, fields: dict[str, Any], field: str) -> None:
    request = sent(endpoint, 16, **fields, **{field: 9_999})
    assert field not in request
    assert request["max_tokens"] == 16


def test_a_chat_generates_no_more_answers_than_were_held_for() -> None:
    assert "best_of" not in sent(chat_completions, 16, **CHAT, best_of=20)


def test_both_names_of_the_bound_become_one() -> None:
    request = sent(chat_completions, 16, **CHAT, max_tokens=50, max_completion_tokens=16)
    assert request["max_tokens"] == 16
    assert "max_completion_tokens" not in request


def test_best_of_and_every_prompt_count_as_answers() -> None:
    request = completions.parse(msgspec.json.encode({"model": "m", "prompt": ["a", "b", "c"], "n": 2, "best_of": 4}))
    assert (request.prompts, request.choices) == (3, 12)


@pytest.mark.parametrize("field", ["other", "top_k", "chat_template_kwargs"])
def test_other_unknown_fields_go_on_as_they_are(field: str) -> None:
    assert sent(chat_completions, None, **CHAT, **{field: {"a": [1]}})[field] == {"a": [1]}
