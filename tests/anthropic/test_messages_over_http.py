"""Messages through a gateway process: admitted, passed on, charged and logged as every inference is."""

from __future__ import annotations

import time

import pytest

from apps.api_keys.actions import Limits
from apps.usage.models import Dialect, Status
from tests.anthropic.calls import HELLO, MESSAGES, create, error_of, open_stream, post, stream
from tests.anthropic.calls import body as body_of
from tests.anthropic.streams import parsed_events, read
from tests.fakes import Reply, close, hang, pause, reset
from tests.fakes import Status as Answer
from tests.gateway.calls import ask, offer
from tests.gateway.customers import new_customer
from tests.gateway.processes import gateways_running
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money
INPUT, OUTPUT = 1_000, 2_000  # nano-USD a token, of new_model's prices


@pytest.fixture(scope="module")
def quick_gateway():
    """A process that pings every tenth of a second and waits for nobody long."""
    with gateways_running(1, PING_EVERY_S="0.1", BACKEND_TIMEOUT_S="3", CLIENT_IDLE_S="2") as [process]:
        yield process


@pytest.fixture
def quick(quick_gateway, backend):
    """That process, and a model at the fake backend."""
    return quick_gateway, offer(quick_gateway, backend.base_url)


def test_a_whole_message(gateway, customer, backend, model):
    backend.reply("Hello you", reasoning="Hm.", prompt_tokens=7, cached_tokens=3)
    answer = create(gateway, customer.key, model.name)
    assert [block["type"] for block in answer["content"]] == ["thinking", "text"]
    assert answer["content"][1]["text"] == "Hello you"
    assert (answer["usage"]["input_tokens"], answer["usage"]["cache_read_input_tokens"]) == (4, 3)
    assert backend.last.json == {"model": model.upstream, "messages": HELLO, "max_tokens": 100}


def test_a_streamed_message(gateway, customer, backend, model):
    backend.reply("Hello you", reasoning="Hm.", tool_calls=[{"name": "f", "arguments": '{"a": 1}'}], prompt_tokens=7, cached_tokens=3)
    message = stream(gateway, customer.key, model.name)
    assert [(block.type, block.text) for block in message.blocks] == [("thinking", "Hm."), ("text", "Hello you"), ("tool_use", '{"a": 1}')]
    assert message.stop_reason == "tool_use"
    assert (message.start["model"], message.start["id"][:4]) == (model.name, "msg_")
    assert (message.usage["input_tokens"], message.usage["cache_read_input_tokens"]) == (4, 3)
    assert backend.last.json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("streamed", [False, True])
def test_it_is_charged_and_logged(gateway, customer, backend, model, streamed):
    backend.reply("one two three", prompt_tokens=40)
    response = post(gateway, customer.key, body_of(model.name, stream=streamed))
    [row] = customer.settled()
    assert str(row.pk) == response.headers["request-id"] == response.headers["inference-id"]
    assert (row.dialect, row.streamed, row.status) == (Dialect.MESSAGES, streamed, Status.COMPLETED)
    assert (row.prompt_tokens, row.completion_tokens, row.charged) == (40, 3, 40 * INPUT + 3 * OUTPUT)
    assert row.finish_reason == "stop"


def test_what_no_backend_counts_is_shown_as_it_is_charged(gateway, customer, backend, model):
    backend.reply("one two three", usage=None)
    message = stream(gateway, customer.key, model.name)
    [row] = customer.settled()
    assert row.estimated
    assert (row.prompt_tokens, row.completion_tokens) == (message.usage["input_tokens"], message.usage["output_tokens"])


def test_both_headers_take_a_key_and_both_spellings_a_model(gateway, customer, backend, model):
    content = body_of(model.name.replace("/", "--"))
    for headers in ({"authorization": f"Bearer {customer.key}"}, {"x_api_key": customer.key}):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        response = post(gateway, None, content, f"{MESSAGES}?beta=true", **sent)
        assert (response.status_code, response.json()["model"]) == (200, model.name)


def test_headers_of_limits_and_streams(gateway, backend, model):
    limited = new_customer("10", Limits(rpm=10, tpm=100_000))
    response = post(gateway, limited.key, body_of(model.name, stream=True))
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert (response.headers["x-ratelimit-limit"], response.headers["x-ratelimit-remaining"]) == ("10", "9")
    assert "x-request-id" not in response.headers


def test_a_limit_that_refuses_says_when_to_come_back(gateway, backend, model):
    limited = new_customer("10", Limits(rpm=1))
    create(gateway, limited.key, model.name)
    response = post(gateway, limited.key, body_of(model.name))
    assert response.status_code == 429
    assert error_of(response)["type"] == "rate_limit_error"
    assert int(response.headers["retry-after"]) >= 1


def test_a_thread_is_refused_as_its_clients_expect(gateway, customer, model):
    response = post(gateway, customer.key, body_of(model.name, thread={"type": "create"}))
    assert response.status_code == 400
    assert error_of(response)["details"] == {"error_code": "thread_unsupported_request"}


def test_each_piece_goes_on_as_it_comes(gateway, customer, backend, model):
    backend.reply(chunks=["one ", "two"])
    gate = backend.gate("before_chunk:1")
    with open_stream(gateway, customer.key, model.name) as response:
        gate.wait_reached()
        pieces = response.iter_raw()
        data = next(pieces)
        while b"one " not in data:
            data += next(pieces)
        gate.release()
        assert read(data + b"".join(pieces)).text == "one two"


@pytest.mark.parametrize("end", [close, reset, hang])
def test_a_backend_that_dies_is_an_error_and_no_end(quick, backend, customer, end):
    gateway, model = quick
    backend.reply(chunks=["a", "b", "c"], at={"before_chunk:2": end})
    message = stream(gateway, customer.key, model.name)
    assert (message.text, message.complete) == ("ab", False)
    assert message.error["error"]["type"] == "api_error"
    [row] = customer.settled()
    assert message.error["request_id"] == str(row.pk)
    assert (row.status, row.completion_tokens) == (Status.FAILED, 2)


@pytest.mark.parametrize(("status", "expected"), [(401, 502), (403, 502), (429, 503), (500, 502), (503, 503), (400, 400), (404, 404)])
def test_a_backends_refusal_in_our_words(gateway, customer, backend, model, status, expected):
    backend.default = Answer(status, {"error": {"message": "the context is too long", "type": "x"}})
    response = post(gateway, customer.key, body_of(model.name))
    assert response.status_code == expected
    error = error_of(response)
    assert ("too long" in error["message"]) == (expected in (400, 404))


def test_a_client_that_leaves_stops_the_backend(gateway, customer, backend, model):
    backend.reply(chunks=["one ", "two"], at={"before_chunk:1": hang})
    with open_stream(gateway, customer.key, model.name) as response:
        next(response.iter_raw())
    backend.wait_for(lambda: backend.open == 0)
    [row] = customer.settled()
    assert row.status == Status.CANCELLED


# --- Signs of life --------------------------------------------------------------------------------------------------
def test_pings_while_the_backend_is_silent(quick, customer, backend):
    gateway, model = quick
    backend.reply(chunks=["one ", "two"], at={"before_chunk:1": pause(0.6)})
    message = stream(gateway, customer.key, model.name)
    assert (message.text, message.complete) == ("one two", True)
    assert message.pings >= 1


def test_the_message_begins_with_the_first_ping_when_nothing_comes(quick, customer, backend):
    gateway, model = quick
    backend.reply("Hello", at={"before_headers": pause(0.5)})
    response = post(gateway, customer.key, body_of(model.name, stream=True))
    names = [name for name, _ in parsed_events(response.content)]
    assert names[:2] == ["message_start", "ping"]
    assert names.count("message_start") == 1
    assert read(response.content).text == "Hello"


def test_no_pings_while_the_backend_talks_nor_in_a_whole_answer(quick, customer, backend):
    gateway, model = quick
    backend.reply(chunks=["a"] * 50, delay_s=0.02)
    assert stream(gateway, customer.key, model.name).pings < 5  # in a second; each time a busy machine stood still may be one
    backend.reply("Hello", at={"before_headers": pause(0.4)})
    assert create(gateway, customer.key, model.name)["content"] == [{"type": "text", "text": "Hello"}]


def test_pings_while_a_model_thinks_out_of_sight(quick, customer, backend):
    gateway, model = quick
    backend.reply("Done.", reasoning="a " * 20, delay_s=0.03)
    message = stream(gateway, customer.key, model.name, thinking={"type": "adaptive", "display": "omitted"})
    assert message.pings >= 1
    assert (message.thinking, message.text) == ("", "Done.")


@pytest.mark.parametrize("point", ["before_headers", "before_chunk:1"])
def test_pings_do_not_keep_a_dead_backend_alive(quick, customer, backend, point):
    gateway, model = quick
    backend.reply(chunks=["one ", "two"], at={point: hang})
    began = time.monotonic()
    message = stream(gateway, customer.key, model.name)
    assert 2.9 < time.monotonic() - began < 20
    assert message.error is not None
    assert message.pings >= 3
    assert message.error["error"]["type"] == ("timeout_error" if point == "before_headers" else "api_error")


def test_a_second_backend_is_tried_while_the_client_waits(quick_gateway, backend, second_backend, customer):
    gateway, model = quick_gateway, offer(quick_gateway, backend.base_url, second_backend.base_url)
    tried = []

    def silent_then_gone_the_first_time(record):
        tried.append(record)
        return Reply(at={"before_headers": slow_reset}) if len(tried) == 1 else Reply("Hello")

    async def slow_reset(*given):
        await pause(0.3)(*given)
        return await reset(*given)

    for one in (backend, second_backend):
        one.choose(silent_then_gone_the_first_time)
    message = stream(gateway, customer.key, model.name)
    assert len(tried) == 2
    assert message.pings >= 1
    assert (message.text, message.complete) == ("Hello", True)


def test_a_client_that_leaves_between_pings_is_noticed(quick, customer, backend):
    gateway, model = quick
    backend.reply(at={"before_headers": hang})
    with open_stream(gateway, customer.key, model.name) as response:
        assert b"message_start" in next(response.iter_raw())
    backend.wait_for(lambda: backend.open == 0)
    [row] = customer.settled()
    assert (row.status, row.completion_tokens) == (Status.CANCELLED, 0)


def test_a_client_that_does_not_read_is_not_drowned_in_pings(quick, customer, backend):
    gateway, model = quick
    backend.reply(chunks=["x" * 1_000_000] * 16, usage=None)
    with open_stream(gateway, customer.key, model.name):
        wait_for(lambda: customer.inferences, what="the end of a client that does not read")
    [row] = customer.settled()
    assert row.status == Status.CANCELLED


def test_the_openai_surface_knows_no_pings(quick, customer, backend):
    gateway, model = quick
    backend.reply(chunks=["one ", "two"], at={"before_chunk:1": pause(0.4)})
    assert b"ping" not in ask(gateway, customer.key, model.name, stream=True).body
