"""A gateway process that is killed or frozen in the middle of its work: every hold ends, each request is charged at most once, and no
answer looks finished that was not charged."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from apps.gateway.models import Process
from apps.usage.models import Status
from tests.gateway.clients import INPUT, OUTPUT, OpenCall, chat, until_known
from tests.gateway.customers import Customer, new_customer, new_model
from tests.gateway.locks import locked
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money

LEASE_S = 3
REAPED_WITHIN_S = LEASE_S + 10
WORDS = ["one ", "two ", "three ", "four ", "five"]


def until_checkpointed(customer: Customer, count: int, tokens: int) -> None:
    """The process wrote down once more how far its streams are; it does so each second."""
    wait_for(
        lambda: [hold.checkpoint_completion_tokens for hold in customer.holds] == [tokens] * count, what=f"{count} checkpoints at {tokens}"
    )


def test_holds_of_a_killed_process_are_charged_at_their_last_checkpoint(gateways, backend):
    victim, _ = gateways(2, LEASE_S=str(LEASE_S))
    customer = new_customer("10")
    model = until_known(new_model(backend.base_url), victim)
    backend.reply(chunks=WORDS)
    backend.gate("before_chunk:3")
    with ExitStack() as stack:
        calls = [stack.enter_context(OpenCall(victim, customer, model)) for _ in range(50)]
        for call in calls:
            call.take(4)  # the role and three words
        until_checkpointed(customer, 50, 3)
        victim.kill()
        killed = time.monotonic()
        rows = customer.settled(50, timeout=REAPED_WITHIN_S)
        assert time.monotonic() - killed < REAPED_WITHIN_S
        assert [call.rest() for call in calls] == [[]] * 50
    assert {(row.status, row.error_code, row.http_status, row.estimated) for row in rows} == {(Status.LOST, "gateway_lost", 500, True)}
    assert {(row.prompt_tokens, row.completion_tokens, row.charged) for row in rows} == {(0, 3, 3 * OUTPUT)}
    assert {row.backend_id for row in rows} == set(model.backend_ids)
    assert customer.balance == 10 * 10**9 - 50 * 3 * OUTPUT


@pytest.mark.parametrize("answered", [False, True], ids=["while the backend waits", "although the answer is there"])
def test_a_process_that_slept_past_its_lease_ends_its_streams_and_charges_nothing_more(gateways, backend, answered):
    sleeper, _ = gateways(2, LEASE_S=str(LEASE_S))
    customer = new_customer("10")
    model = until_known(new_model(backend.base_url), sleeper)
    backend.reply(chunks=WORDS)
    gate = backend.gate("before_chunk:2")
    with ExitStack() as stack:
        calls = [stack.enter_context(OpenCall(sleeper, customer, model)) for _ in range(3)]
        identifiers = []
        for call in calls:
            call.take(3)
            identifiers.append(call.inference_id)
        until_checkpointed(customer, 3, 2)
        sleeper.freeze()
        if answered:
            gate.release()  # the rest waits in the sleeper's sockets
            backend.wait_for(lambda: backend.open == 0)
        rows = customer.settled(3, timeout=REAPED_WITHIN_S)
        sleeper.thaw()
        for call in calls:
            events = call.rest()
            assert events[-1]["error"]["code"] == "gateway_lost"
            assert "[DONE]" not in events
            assert call.complete
    backend.wait_for(lambda: backend.open == 0)
    gate.release()
    assert {row.id for row in rows} == set(identifiers)
    # It registered anew and works again; what it says of the old requests changes nothing.
    wait_for(lambda: chat(sleeper, customer, model).status_code == 200, what="the process admits again")
    after = customer.settled(4)
    assert [(row.status, row.charged) for row in after[:3]] == [(Status.LOST, 2 * OUTPUT)] * 3
    assert after[3].status == Status.COMPLETED
    assert customer.balance == 10 * 10**9 - 3 * 2 * OUTPUT - after[3].charged


def test_a_process_killed_between_the_charge_and_the_last_frame_has_charged_once(gateways, backend):
    victim, survivor = gateways(2, LEASE_S=str(LEASE_S))
    customer = new_customer("10")
    model = until_known(new_model(backend.base_url), victim)
    backend.reply(chunks=WORDS, prompt_tokens=10)
    done = backend.gate("before_done")
    with OpenCall(victim, customer, model) as call:
        done.wait_reached()
        frozen_over_the_commit(victim, customer, done)
        victim.kill()
        events = call.rest()
        assert "[DONE]" not in events
        assert not call.complete
    [row] = customer.settled()
    assert (row.status, row.charged) == (Status.COMPLETED, 10 * INPUT + 5 * OUTPUT)
    # The survivor fences the dead process and looks for holds it left behind.
    wait_for(lambda: not Process.objects.filter(name__endswith=f":{victim.pid}", fenced=False).exists(), REAPED_WITHIN_S)
    assert survivor.ready()
    [again] = customer.settled()
    assert again.charged == row.charged
    assert customer.balance == 10 * 10**9 - row.charged


def frozen_over_the_commit(victim, customer, done) -> None:
    """Lets the answer end, and freezes the process after it sent its settlement and before it hears of the commit.

    The settlement waits for a table lock, at most 200 ms at a time; it is let go once the process is known to be frozen in such a wait."""
    while True:
        with locked("LOCK TABLE usage_inference IN SHARE MODE") as slow:
            done.release()
            while True:
                slow.wait_until_it_blocks("settlement")
                victim.freeze()
                if slow.blocks("settlement"):
                    break
                victim.thaw()
        try:
            wait_for(lambda: customer.inferences, timeout=0.5)
            return
        except TimeoutError:
            continue
