"""A refused request names the time to wait, the `openai` clients wait it out, and the retry is a request of its own."""

from __future__ import annotations

import asyncio
import time

import openai
import pytest

from tests.clients.scripted import HELLO


def sync_ask(gateway, key, asked, retries, when_refused=lambda: None):
    def seen(response):
        if response.status_code == 429:
            when_refused()

    http_client = openai.DefaultHttpxClient(event_hooks={"response": [seen]})
    with openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=retries, http_client=http_client) as client:
        raw = client.chat.completions.with_raw_response.create(**asked)
        return raw.parse().choices[0].message.content, raw.retries_taken


def async_ask(gateway, key, asked, retries, when_refused=lambda: None):
    async def seen(response):
        if response.status_code == 429:
            when_refused()

    async def ask():
        http_client = openai.DefaultAsyncHttpxClient(event_hooks={"response": [seen]})
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=key, max_retries=retries, http_client=http_client) as client:
            raw = await client.chat.completions.with_raw_response.create(**asked)
            return raw.parse().choices[0].message.content, raw.retries_taken

    return asyncio.run(ask())


both_clients = pytest.mark.parametrize("ask", [sync_ask, async_ask], ids=["sync", "async"])


def says(model, content, **fields):
    return {"model": model.name, "messages": [{"role": "user", "content": content}], **fields}


@both_clients
@pytest.mark.money
def test_a_busy_backend_is_asked_again_after_two_seconds(gateway, backend, keys, model, ask):
    said = f"Busy once, for {ask.__name__}"
    started = time.monotonic()
    assert ask(gateway, keys.rich.key, says(model, said), 1) == ("".join(HELLO), 1)
    assert time.monotonic() - started >= 2
    first, second = [record for record in backend.requests if record.last_user_message == said]
    assert second.received_at - first.finished_at >= 1.9  # the client's clock may start a little earlier than the backend's
    keys.assert_all_settled(backend)


@both_clients
def test_without_retries_a_busy_backend_is_an_error_at_once(gateway, backend, keys, model, ask):
    said = f"Busy once, for {ask.__name__} without retries"
    with pytest.raises(openai.InternalServerError) as busy:
        ask(gateway, keys.rich.key, says(model, said), 0)
    assert (busy.value.status_code, busy.value.code, busy.value.response.headers["retry-after"]) == (503, "backend_overloaded", "2")
    assert sum(record.last_user_message == said for record in backend.requests) == 1


@both_clients
def test_a_key_at_its_concurrency_gets_in_when_the_other_request_has_ended(gateway, backend, keys, model, ask):
    key = keys.one_at_a_time.key
    with openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as first:
        stream = first.chat.completions.create(**says(model, f"Go on, in the way of {ask.__name__}", stream=True))
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as refused:
            ask(gateway, key, says(model, "Say hello"), 0)
        assert refused.value.code == "concurrency_limit_exceeded"
        assert refused.value.response.headers["retry-after"] == "1"
        started = time.monotonic()
        text, retries = ask(gateway, key, says(model, "Say hello"), 3, when_refused=stream.close)
    assert text == "".join(HELLO)
    assert retries >= 1
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("content", ["Refuse", "Say hello"])
def test_what_will_never_go_through_is_not_tried_again(gateway, backend, keys, model, content):
    before = len(backend.requests)
    fields = {} if content == "Refuse" else {"temperature": 9}
    with pytest.raises(openai.BadRequestError):
        sync_ask(gateway, keys.rich.key, says(model, content, **fields), 3)
    assert len(backend.requests) - before == (content == "Refuse")
