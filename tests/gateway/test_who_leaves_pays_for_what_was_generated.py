"""A client that goes away pays its prompt and what was generated for it: not nothing, not its whole hold, and never twice."""

from __future__ import annotations

import pytest

from apps.usage.models import Status
from tests.gateway.clients import INPUT, OUTPUT, PROMPT_ESTIMATE, OpenCall, chat, until_known
from tests.gateway.customers import new_customer, new_model
from tests.gateway.locks import locked_account

pytestmark = pytest.mark.money

WORDS = ["one ", "two ", "three ", "four ", "five"]
USD = 10**9


@pytest.fixture
def model(gateway, backend):
    backend.reply(chunks=WORDS, prompt_tokens=10)
    return until_known(new_model(backend.base_url), gateway)


def abandoned(backend) -> bool:
    return backend.last.disconnected


@pytest.mark.parametrize("leave", [OpenCall.hang_up, OpenCall.reset], ids=["FIN", "RST"])
def test_just_before_the_usage_chunk_pays_the_tokens_generated_so_far(gateway, customer, backend, model, leave):
    backend.gate("before_usage")
    with OpenCall(gateway, customer, model) as call:
        events = call.take(7)  # the role, five words, the end
        assert events[-1]["choices"][0]["finish_reason"] == "stop"
        leave(call)
        backend.wait_for(lambda: abandoned(backend))
    [row] = customer.settled()
    assert (row.status, row.http_status, row.error_code) == (Status.CANCELLED, 499, "client_disconnected")
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (PROMPT_ESTIMATE, 5, True)
    assert row.charged == PROMPT_ESTIMATE * INPUT + 5 * OUTPUT
    assert row.finish_reason == "stop"


def test_in_the_middle_pays_the_tokens_generated_so_far(gateway, customer, backend, model):
    backend.gate("before_chunk:2")
    with OpenCall(gateway, customer, model) as call:
        call.take(3)
        call.hang_up()
        backend.wait_for(lambda: abandoned(backend))
    [row] = customer.settled()
    assert (row.prompt_tokens, row.completion_tokens) == (PROMPT_ESTIMATE, 2)
    assert row.charged == PROMPT_ESTIMATE * INPUT + 2 * OUTPUT


def test_in_the_middle_pays_the_backends_own_running_total_where_there_is_one(gateway, customer, backend, model):
    backend.reply(chunks=WORDS, prompt_tokens=10, usage_every_chunk=True)
    backend.gate("before_chunk:2")
    with OpenCall(gateway, customer, model) as call:
        call.take(3)
        call.hang_up()
        backend.wait_for(lambda: abandoned(backend))
    [row] = customer.settled()
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (10, 2, False)


@pytest.mark.parametrize("stream", [True, False])
def test_before_the_first_token_stops_the_backend_within_a_second_and_pays_the_prompt_at_most(gateway, customer, backend, model, stream):
    gate = backend.gate("before_headers")
    with OpenCall(gateway, customer, model, stream=stream) as call:
        gate.wait_reached()
        call.hang_up()
        backend.wait_for(lambda: abandoned(backend))
    [row] = customer.settled()
    assert row.status == Status.CANCELLED
    assert (row.prompt_tokens, row.completion_tokens) == (PROMPT_ESTIMATE, 0)
    assert row.charged == PROMPT_ESTIMATE * INPUT
    assert row.first_token_ms is None


def test_during_admission_pays_nothing_and_leaves_no_hold(gateway, customer, backend, model):
    with locked_account(customer.account_id) as slow, OpenCall(gateway, customer, model) as call:
        slow.wait_until_met_by("admission")
        call.hang_up()
    [row] = customer.settled()
    assert (row.status, row.charged) == (Status.CANCELLED, 0)
    assert customer.held == 0
    assert customer.balance == 10 * USD
    assert backend.requests == []


def test_during_settlement_is_charged_once_for_the_whole_answer(gateway, customer, backend, model):
    gate = backend.gate("before_done")
    with OpenCall(gateway, customer, model) as call:
        call.take(7)
        with locked_account(customer.account_id) as slow:
            gate.release()
            slow.wait_until_met_by("settlement")
            call.hang_up()
            assert customer.inferences == []
    [row] = customer.settled()
    assert (row.status, row.prompt_tokens, row.completion_tokens, row.estimated) == (Status.COMPLETED, 10, 5, False)
    assert customer.balance == 10 * USD - (10 * INPUT + 5 * OUTPUT)


def test_during_settlement_does_not_disturb_whoever_uses_the_connection_to_the_backend_next(gateway, customer, backend, model):
    """The connection was given back when the answer had come, so it is not the leaving client's to close."""
    neighbour = new_customer()
    gate = backend.gate("before_body", when=lambda record: record.fields.get("user") == "first")
    with OpenCall(gateway, customer, model, stream=False, user="first") as call:
        gate.wait_reached()
        with locked_account(customer.account_id) as slow:
            gate.release()
            slow.wait_until_met_by("settlement")
            gate = backend.gate("before_chunk:1")
            with OpenCall(gateway, neighbour, model) as other:
                other.take(2)
                assert backend.requests[-1].connection == backend.requests[-2].connection
                call.half_close()
                assert call.wait_closed()  # the gateway has noticed
                gate.release()
                assert other.rest()[-1] == "[DONE]"
    assert customer.settled()[0].status == Status.COMPLETED
    assert neighbour.settled()[0].status == Status.COMPLETED


def test_after_its_answer_pays_the_answer(gateway, customer, backend, model):
    with OpenCall(gateway, customer, model) as call:
        assert call.rest()[-1] == "[DONE]"
        assert call.complete
    [row] = customer.settled()
    assert (row.status, row.charged) == (Status.COMPLETED, 10 * INPUT + 5 * OUTPUT)


def test_many_that_leave_at_every_point_leave_no_hold_and_no_request_at_the_backend(gateway, customer, backend, model):
    gates = [backend.gate(point) for point in ("before_headers", "before_chunk:0", "before_chunk:3", "before_usage")]
    for wanted, gate in enumerate(gates):
        for _ in range(3):
            reached = gate.reached
            with OpenCall(gateway, customer, model) as call:
                gate.wait_reached(reached + 1)
                call.hang_up()
        backend.wait_for(lambda: backend.open == 0)
        gate.release()
        assert len(backend.requests) == 3 * (wanted + 1)
    rows = customer.settled(12)
    assert {row.status for row in rows} == {Status.CANCELLED}
    assert all(row.charged <= PROMPT_ESTIMATE * INPUT + 5 * OUTPUT for row in rows)
    assert chat(gateway, customer, model).status_code == 200
