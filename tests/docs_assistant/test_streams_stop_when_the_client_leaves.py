"""A stream is paced, and ends as soon as nobody listens: the server's own counters are the witness."""

import time

from tests.docs_assistant.conftest import chat_body

QUESTION = "Which parameters can I send?"
PACE_S = 0.02


def eventually(condition, within_s=10):
    """Waits until a condition holds; fails when it does not within the time."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)


def test_a_client_that_leaves_stops_the_generation(start_assistant):
    client = start_assistant(pace_s=PACE_S)
    whole = client.chat(QUESTION)["usage"]["completion_tokens"]
    before = client.metric("tokens_generated_total")
    with client.stream("POST", "/v1/chat/completions", json=chat_body(QUESTION, stream=True)) as response:
        lines = response.iter_lines()
        for _ in range(8):
            next(lines)
        assert client.metric("streams_open") == 1
    eventually(lambda: client.metric("streams_open") == 0)
    assert client.metric("streams_abandoned_total") == 1
    generated = client.metric("tokens_generated_total") - before
    assert 0 < generated < whole / 2


def test_a_client_that_stays_gets_all_of_it_at_the_set_pace(start_assistant):
    client = start_assistant(pace_s=PACE_S)
    started = time.monotonic()
    response = client.post("/v1/chat/completions", json=chat_body("Hello!", stream=True))
    chunks = response.text.count("data: ") - 3  # role, end and [DONE] are not paced
    assert time.monotonic() - started >= chunks * PACE_S * 0.9
    assert response.text.endswith("data: [DONE]\n\n")
    assert client.metric("streams_abandoned_total") == 0
    assert client.metric("streams_open") == 0


def test_the_counters_count_every_token_that_went_out(start_assistant):
    client = start_assistant()
    usage = client.chat(QUESTION)["usage"]
    assert client.metric("tokens_generated_total") == usage["completion_tokens"]
    client.post("/v1/chat/completions", json=chat_body(QUESTION, stream=True))
    assert client.metric("tokens_generated_total") == 2 * usage["completion_tokens"]
