"""Promise: a test call tells staff whether a backend completes, how fast, and what it says, or what is wrong in words; it is bounded,
reaches no private network that the gateway would not, and shows no key."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from pytest_django import Settings

from apps.catalog import trial_call
from apps.catalog.models import Backend
from tests.fakes import Raw, Reply, Status, hang
from tests.fakes.answers import Behaviour
from tests.fakes.backend import FakeBackend

KEY = "sk-of-the-backend"


def call(base_url: str) -> tuple[bool, str]:
    backend = Backend(pk=0, base_url=base_url, upstream_model="up/stream")
    backend.api_key = KEY
    [answer] = asyncio.run(trial_call.call_all([backend]))
    return answer


def test_it_is_a_small_completion_whose_figures_are_shown(backend: FakeBackend) -> None:
    backend.default = Reply(chunks=["Good ", "day, ", "dear ", "reader."], completion_tokens=7)
    answers, words = call(backend.base_url)
    assert answers
    assert re.fullmatch(
        r"HTTP 200; first byte after \d+ ms, first token after \d+ ms; 7 tokens, \d+ a second; says “Good day, dear reader\.”", words
    )
    [asked] = backend.requests
    body = json.loads(asked.body)
    assert (body["model"], body["stream"], body["max_tokens"]) == ("up/stream", True, trial_call.MOST_TOKENS)
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_a_backend_that_does_not_stream_and_one_that_thinks_answer_too(backend: FakeBackend) -> None:
    backend.default = Status(200, {"choices": [{"message": {"content": "Whole."}}], "usage": {"completion_tokens": 2}})
    assert call(backend.base_url)[1].endswith("2 tokens; says “Whole.”")
    backend.default = Reply(text="", reasoning="Let me see", completion_tokens=3)
    assert "says “Let me see”" in call(backend.base_url)[1]
    backend.default = Reply(text="x" * 500)
    assert f"says “{'x' * trial_call.SHOWN}…”" in call(backend.base_url)[1]
    backend.default = Reply(chunks=["You sent ", KEY[:5], KEY[5:], "x" * 500])
    assert "says “You sent (hidden)xxx" in call(backend.base_url)[1]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Status(404, {"error": {"message": f"No such model; you sent {KEY}."}}), "No such model; you sent (hidden)."),
        (Status(503, b"<html>busy</html>"), "<html>busy</html>"),
        (Status(200, {"error": {"message": "out of memory"}}), "refuses: out of memory"),
        (Status(200, [1]), "no completion"),
        (Status(200, b"{"), "no completion"),
        (Status(200, b" " * (trial_call.MOST_BYTES + 1)), "more than 256 KiB"),
        (Reply(done=False), "without [DONE]"),
        (Reply(text=""), "without any text"),
        (Raw(b"nonsense\r\n\r\n"), "does not speak HTTP"),
    ],
)
def test_what_is_wrong_is_said_in_words_and_without_the_key(backend: FakeBackend, behaviour: Behaviour, words: str) -> None:
    backend.default = behaviour
    answers, said = call(backend.base_url)
    assert not answers
    assert words in said
    assert KEY not in said


def test_it_ends_in_time_and_stays_out_of_private_networks(
    backend: FakeBackend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_call, "CALL_S", 0.3)
    backend.default = Reply(at={"before_headers": hang})
    assert call(backend.base_url) == (False, "no answer within 0.3 seconds")
    asked = len(backend.requests)
    settings.ALLOW_PRIVATE_BACKENDS = False
    answers, words = call(backend.base_url)
    assert not answers
    assert "private network" in words
    assert len(backend.requests) == asked
