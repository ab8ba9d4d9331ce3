"""The log says of each request what happened, and every answer says which row that is."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from django.utils import timezone

from apps.catalog.models import Price
from apps.core.ids import uuid7_time
from apps.usage.models import Dialect, Status
from tests.fakes import Status as HttpStatus
from tests.gateway.clients import CHAT, OpenCall, authorization, body_for, chat, until_known
from tests.gateway.customers import new_customer, new_model
from tests.gateway.locks import locked_account


@pytest.fixture
def model(gateway, backend):
    return until_known(new_model(backend.base_url), gateway)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_with_its_tokens_cost_times_and_names(gateway, customer, backend, model, stream):
    backend.reply(chunks=["one ", "two"], prompt_tokens=20, cached_tokens=4, reasoning_tokens=1, finish_reason="length")
    before = timezone.now()
    answer = chat(gateway, customer, model, stream=stream)
    [row] = customer.settled()
    assert str(row.id) == answer.headers["inference-id"]
    assert (row.account_id, row.api_key_id, row.model_id, row.backend_id) == (
        customer.account_id,
        customer.key_id,
        model.id,
        model.backend_ids[0],
    )
    assert row.price_id == Price.objects.get(model_id=model.id).pk
    assert (row.dialect, row.streamed, row.status, row.http_status) == (Dialect.CHAT, stream, Status.COMPLETED, 200)
    assert (row.finish_reason, row.error_code, row.estimated) == ("length", "", False)
    assert (row.prompt_tokens, row.cached_tokens, row.completion_tokens, row.reasoning_tokens) == (20, 4, 2, 1)
    assert before - timedelta(milliseconds=1) <= uuid7_time(row.id) <= row.admitted_at + timedelta(milliseconds=1)
    assert row.admitted_at <= row.settled_at <= timezone.now()
    assert 0 <= row.queue_ms <= row.first_token_ms <= row.total_ms <= 10_000


def test_times_tell_queueing_first_token_and_the_whole_apart(gateway, customer, backend, model):
    gates = [backend.gate("before_role"), backend.gate("before_chunk:0")]
    waits = []

    def wait(condition_met) -> None:
        """Some time passes that the log has to show; how long is measured."""
        started = time.monotonic()
        condition_met()
        while time.monotonic() - started < 0.12:
            condition_met()
        waits.append((time.monotonic() - started) * 1000)

    with locked_account(customer.account_id) as slow, OpenCall(gateway, customer, model) as call:
        slow.wait_until_met_by("admission")
        wait(lambda: customer.holds)
        slow.end()
        gates[0].wait_reached()
        wait(lambda: customer.holds)
        gates[0].release()
        call.take(1)
        gates[1].wait_reached()
        wait(lambda: customer.holds)
        gates[1].release()
        call.rest()
    [row] = customer.settled()
    assert row.queue_ms >= waits[0] - 1
    assert row.first_token_ms >= row.queue_ms + waits[1] - 1
    assert row.total_ms >= row.first_token_ms + waits[2] - 1


def test_a_failed_request_with_its_status_and_code(gateway, customer, backend, model):
    backend.default = HttpStatus(400, {"error": {"message": "temperature is too high for me", "type": "BadRequestError"}})
    answer = chat(gateway, customer, model)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "temperature is too high for me"
    [row] = customer.settled()
    assert (row.status, row.http_status, row.error_code, row.charged) == (Status.FAILED, 400, "backend_refused_request", 0)
    assert str(row.id) == answer.headers["inference-id"]


def test_what_was_refused_before_it_was_admitted_is_not_logged(gateway, customer, backend, model):
    assert chat(gateway, customer, model, temperature=7).status_code == 400
    assert chat(gateway, new_customer("0"), model).status_code == 402
    assert customer.inferences == []


ANSWERS = {
    "no key": (401, {}, {}),
    "wrong key": (401, {"authorization": "Bearer akml-nonsense"}, {}),
    "no model": (404, None, {"model": "none/such"}),
    "wrong field": (400, None, {"temperature": "hot"}),
    "wrong type": (415, {"content-type": "text/plain"}, {}),
    "fine": (200, None, {}),
    "streamed": (200, None, {"stream": True}),
}


@pytest.mark.parametrize(("status", "headers", "fields"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_carries_an_inference_id_of_its_own(gateway, customer, backend, model, status, headers, fields):
    headers = authorization(customer) if headers is None else headers
    answers = [httpx.post(gateway.base_url + CHAT, json=body_for(model) | fields, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    identifiers = {UUID(answer.headers["inference-id"]) for answer in answers}
    assert len(identifiers) == 2
    assert {identifier.version for identifier in identifiers} == {7}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model": 1}', b"\xff\xfe", b'{"messages":[{"role":"\xff"}],"model":"m"}', b"[" * 50_000]
)
def test_broken_bodies_are_400s_in_the_usual_shape(gateway, customer, body):
    headers = authorization(customer) | {"content-type": "application/json"}
    answer = httpx.post(gateway.base_url + CHAT, content=body, headers=headers)
    assert answer.status_code == 400
    error = answer.json()
    assert error["error"]["type"] == "invalid_request_error"
    assert error["message"] == error["error"]["message"]
    assert UUID(answer.headers["inference-id"]).version == 7
