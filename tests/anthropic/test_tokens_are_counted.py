"""`count_tokens` asks the model's own tokenizer where it can, says so where it cannot, and costs nothing."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.api_keys.actions import Limits
from apps.api_keys.models import ApiKey
from tests.anthropic.calls import COUNT, HELLO, create, error_of, post
from tests.anthropic.requests import image, text, tool, user
from tests.fakes import Reply, Status, hang
from tests.gateway.calls import offer
from tests.gateway.customers import new_customer

SOURCE = "x-token-count-source"


def count(gateway, key, model, **fields):
    """(tokens, who counted)."""
    response = post(gateway, key, {"model": model, "messages": HELLO, **fields}, COUNT)
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"input_tokens"}
    return response.json()["input_tokens"], response.headers[SOURCE]


def test_vllm_counts_messages_system_and_tools(gateway, customer, backend, model):
    backend.tokenizer = lambda body: 1_000 + len(body["messages"]) + 10 * len(body.get("tools", []))
    assert count(gateway, customer.key, model.name) == (1_001, "tokenizer")
    assert count(gateway, customer.key, model.name, system="Be brief.", tools=[tool(), tool("b")]) == (1_022, "tokenizer")
    [*_, asked] = backend.other_requests
    assert (asked.path, asked.json["model"], asked.json["add_generation_prompt"]) == ("/tokenize", model.upstream, True)
    assert asked.json["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert [entry["function"]["name"] for entry in asked.json["tools"]] == ["weather", "b"]


def test_it_asks_with_the_backends_key(gateway, customer, backend):
    model = offer(gateway, backend.base_url, backend_fields={"api_key": "sk-backend"})
    count(gateway, customer.key, model.name)
    assert backend.other_requests[-1].headers["authorization"] == "Bearer sk-backend"


def test_a_real_engine_counts(gateway, customer, engine):
    model = offer(gateway, engine.base_url, upstream="random")
    hello = [{"role": "user", "content": "the price of a token"}]
    # llama.cpp's chat template: <s>, <|user|>, the five words and their leading space, <|end|>, <|assistant|>.
    short, source = count(gateway, customer.key, model.name, messages=hello)
    assert source == "tokenizer"
    longer, _ = count(gateway, customer.key, model.name, messages=hello, system="the price of a token")
    assert 7 <= short <= 12
    assert longer > short + 5
    answer = create(gateway, customer.key, model.name, messages=hello, max_tokens=2)
    assert answer["usage"]["input_tokens"] + answer["usage"]["cache_read_input_tokens"] == short


@pytest.mark.parametrize(
    "tokenizer",
    [Status(404, {"detail": "Not Found"}), Status(200, {"tokens": "none"}), Status(200, "<html>"), Status(500), Status(200, {"count": -1})],
)
def test_without_a_tokenizer_it_is_an_estimate_and_nobody_asks_again(gateway, customer, backend, model, tokenizer):
    backend.tokenizer = tokenizer
    tokens, source = count(gateway, customer.key, model.name, messages=[user("word " * 400)])
    assert source == "estimate"
    assert 400 <= tokens <= 600
    asked = len(backend.other_requests)
    count(gateway, customer.key, model.name)
    assert len([record for record in backend.other_requests if record.path == "/tokenize"]) == asked


def test_a_tokenizer_that_hangs_holds_nobody_up_for_long(gateway, customer, backend, model):
    backend.tokenizer = Reply(at={"before_headers": hang})
    began = time.monotonic()
    assert count(gateway, customer.key, model.name)[1] == "estimate"
    assert time.monotonic() - began < 20
    asked = len(backend.other_requests)
    assert count(gateway, customer.key, model.name)[1] == "estimate"
    assert len([record for record in backend.other_requests if record.path == "/tokenize"]) == asked


@pytest.mark.parametrize("backends", [0, 1])
def test_without_a_backend_it_is_an_estimate(gateway, customer, backend, backends):
    model = offer(gateway, *[backend.base_url][:backends])
    backend.refuse()
    assert count(gateway, customer.key, model.name)[1] == "estimate"
    backend.accept()


def test_pictures_are_an_estimate_beside_the_text(gateway, customer, backend):
    model = offer(gateway, backend.base_url, input_modalities=["text", "image"])
    backend.tokenizer = lambda body: 7
    assert count(gateway, customer.key, model.name, messages=[user("a", image())]) == (2_007, "estimate")
    assert backend.other_requests[-1].json["messages"] == [{"role": "user", "content": [text("a")]}]


def test_forty_at_once_are_all_counted(gateway, customer, backend, model):
    backend.tokenizer = lambda body: 5
    with ThreadPoolExecutor(40) as pool:
        counted = list(pool.map(lambda _: count(gateway, customer.key, model.name), range(40)))
    assert counted == [(5, "tokenizer")] * 40


@pytest.mark.money
def test_a_key_counts_so_often_and_nobody_else_is_refused_for_it(gateways, backend):
    """A bound of its own: messages are answered all the same."""
    [gateway] = gateways(1, COUNT_TOKENS_RPM="1")
    model = offer(gateway, backend.base_url)
    one, other = new_customer("1"), new_customer("1")
    count(gateway, one.key, model.name)
    refused = post(gateway, one.key, {"model": model.name, "messages": HELLO}, COUNT)
    assert (refused.status_code, error_of(refused)["type"]) == (429, "rate_limit_error")
    assert "1 counts of tokens a minute" in error_of(refused)["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    create(gateway, one.key, model.name)
    count(gateway, other.key, model.name)


@pytest.mark.money
def test_it_costs_no_request_no_token_and_no_credit(gateway, backend, model):
    limited, poor = new_customer("10", Limits(rpm=1, tpm=200, max_concurrent=1)), new_customer("0")
    for _ in range(5):
        count(gateway, limited.key, model.name)
        count(gateway, poor.key, model.name)
    create(gateway, limited.key, model.name)
    [row] = limited.settled()
    assert 10 * 10**9 - limited.balance == row.charged
    assert not poor.inferences


def test_a_key_that_is_not_in_force_counts_nothing(gateway, backend, model):
    from django.utils import timezone

    customer = new_customer("1")
    count(gateway, customer.key, model.name)  # the process has seen the key
    ApiKey.objects.filter(pk=customer.key_id).update(revoked_at=timezone.now())
    response = post(gateway, customer.key, {"model": model.name, "messages": HELLO}, COUNT)
    assert (response.status_code, error_of(response)["type"]) == (401, "authentication_error")


def test_what_is_wrong_with_a_count_is_said(gateway, customer, model):
    for content, status, text_of in (
        ({"model": "nobody/none", "messages": HELLO}, 404, "nobody/none"),
        ({"model": model.name}, 400, "messages: "),
        ({"model": model.name, "messages": HELLO, "tools": [{"type": "bash_20250124", "name": "bash"}]}, 400, "tools[0].type: "),
    ):
        response = post(gateway, customer.key, content, COUNT)
        assert response.status_code == status
        assert text_of in error_of(response)["message"]


def test_the_count_of_a_large_prompt_is_quick(gateway, customer, backend, model):
    """A whole repository in a prompt: a megabyte and a half."""
    backend.tokenizer = Status(404)
    began = time.monotonic()
    tokens, _ = count(gateway, customer.key, model.name, messages=[user(json.dumps(["word"] * 200_000))])
    assert tokens > 200_000
    assert time.monotonic() - began < 3
