"""A backend that fails is not the customer's bill: nothing before the first token, afterwards what was delivered, and no answer that
looks finished or was put together from two backends."""

from __future__ import annotations

import pytest

from apps.usage.models import Status
from tests.fakes import OMIT, Raw, Reply, close, finish, reset, sse
from tests.fakes import Status as HttpStatus
from tests.gateway.clients import OUTPUT, OpenCall, chat, text_of, until_known
from tests.gateway.customers import new_model

pytestmark = pytest.mark.money

USD = 10**9
WORDS = ["one ", "two ", "three ", "four ", "five"]
ERROR = {"error": {"message": "CUDA out of memory at 10.0.0.3", "type": "server_error", "code": 500}}
BEFORE_ANY_TOKEN = {
    "500": HttpStatus(500),
    "502 with HTML": HttpStatus(502, "<html>10.0.0.3</html>"),
    "503 with nothing": HttpStatus(503, b""),
    "401": HttpStatus(401, {"error": {"message": "Invalid token sk-secret"}}),
    "reset before the headers": Reply(at={"before_headers": reset}),
    "closed before the headers": Reply(at={"before_headers": close}),
    "error object in a 200": HttpStatus(200, ERROR),
    "HTML in a 200": HttpStatus(200, "<html>welcome</html>"),
    "nothing in a 200": HttpStatus(200, b""),
    "no HTTP": Raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "redirect": HttpStatus(302, b"", headers={"location": "http://127.0.0.1:1/"}),
    "half an answer": Reply("Hello", at={40: close}),
    "gzip nobody asked for": Reply(gzip=True),
}


@pytest.fixture
def model(gateway, backend):
    return until_known(new_model(backend.base_url), gateway)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("behaviour", BEFORE_ANY_TOKEN.values(), ids=BEFORE_ANY_TOKEN)
def test_before_any_token_nothing_is_charged_and_the_hold_is_released(gateway, customer, backend, model, behaviour, stream):
    backend.default = behaviour
    answer = chat(gateway, customer, model, stream=stream)
    assert answer.status_code in (502, 503)
    error = answer.json()
    assert error["message"] == error["error"]["message"]
    assert not any(secret in answer.text for secret in ("10.0.0.3", "sk-secret", "html", "127.0.0.1"))
    [row] = customer.settled()
    assert (row.status, row.http_status, row.error_code) == (Status.FAILED, answer.status_code, error["error"]["code"])
    assert (row.cost, row.charged, row.prompt_tokens, row.completion_tokens) == (0, 0, 0, 0)
    assert str(row.id) == answer.headers["inference-id"]
    assert (customer.balance, customer.held) == (10 * USD, 0)


def test_an_error_object_as_the_first_event_is_an_error_answer(gateway, customer, backend, model):
    backend.reply(insert={"before_role": sse(ERROR)})
    answer = chat(gateway, customer, model, stream=True)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
    assert customer.settled()[0].charged == 0


MID_STREAM = {
    "reset": {"at": {"before_chunk:3": reset}},
    "closed": {"at": {"before_chunk:3": close}},
    "ended without an end": {"at": {"before_chunk:3": finish}},
    "error object": {"insert": {"before_chunk:3": sse(ERROR)}},
    "garbage": {"insert": {"before_chunk:3": b"data: {not json\n\n"}},
    "an array": {"insert": {"before_chunk:3": b"data: [1]\n\n"}},
}


@pytest.mark.parametrize("fault", MID_STREAM.values(), ids=MID_STREAM)
def test_in_the_middle_of_a_stream_the_delivered_tokens_are_charged(gateway, customer, backend, second_backend, fault):
    model = until_known(new_model(backend.base_url, second_backend.base_url), gateway)
    gates = []
    for one in (backend, second_backend):
        one.reply(chunks=WORDS, prompt_tokens=10, usage=OMIT, **fault)
        gates.append(one.gate("before_chunk:3"))
    with OpenCall(gateway, customer, model) as call:
        delivered = call.take(4)
        for gate in gates:
            gate.release()
        rest = call.rest()
        assert call.complete
    assert text_of(delivered) == "one two three "
    [frame] = rest
    assert frame["error"]["code"] == "bad_backend_answer"
    assert frame["message"] == frame["error"]["message"]
    assert "10.0.0.3" not in frame["message"]
    [row] = customer.settled()
    assert (row.status, row.http_status, row.error_code) == (Status.FAILED, 502, "bad_backend_answer")
    assert (row.prompt_tokens, row.completion_tokens, row.charged, row.estimated) == (0, 3, 3 * OUTPUT, True)
    assert len(backend.requests) + len(second_backend.requests) == 1  # nothing is spliced from another backend


def test_a_stream_that_falls_silent_ends_in_an_error_frame(gateway, customer, backend):
    model = until_known(new_model(backend.base_url, backend_fields={"idle_timeout_s": 0.3}), gateway)
    backend.reply(chunks=WORDS)
    backend.gate("before_chunk:2")
    with OpenCall(gateway, customer, model) as call:
        events = call.rest()
    assert text_of(events[:-1]) == "one two "
    assert events[-1]["error"]["code"] == "backend_timeout"
    backend.wait_for(lambda: backend.last.disconnected)
    [row] = customer.settled()
    assert (row.status, row.charged) == (Status.FAILED, 2 * OUTPUT)


def test_a_backend_that_says_nothing_in_time_is_a_504_and_free(gateway, customer, backend):
    model = until_known(new_model(backend.base_url, backend_fields={"first_byte_timeout_s": 0.3}), gateway)
    backend.gate("before_headers")
    answer = chat(gateway, customer, model)
    assert answer.status_code == 504
    backend.wait_for(lambda: backend.last.disconnected)
    assert customer.settled()[0].charged == 0


def test_a_stream_that_ends_without_its_end_mark_but_with_a_finish_reason_is_whole(gateway, customer, backend, model):
    backend.reply(chunks=WORDS, done=False)
    with OpenCall(gateway, customer, model) as call:
        events = call.rest()
    assert text_of(events) == "one two three four five"
    assert events[-1] == "[DONE]"
    assert customer.settled()[0].status == Status.COMPLETED
