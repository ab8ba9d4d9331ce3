"""Locks that take too long and connections that break: requests wait or are refused, but no hold is left behind and no charge is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.core.ids import uuid7
from apps.gateway.admission import Admission, AdmissionRequest
from apps.gateway.database import OutcomeUnknown
from apps.gateway.errors import Unavailable as Refused
from apps.gateway.models import Hold, Process
from apps.gateway.prepared import Prepared
from apps.gateway.settlement import Settlement, Settling
from apps.usage.models import Status
from tests.gateway.clients import INPUT, OUTPUT, OpenCall, chat, until_known
from tests.gateway.customers import new_customer, new_model
from tests.gateway.locks import activity, cut, locked, locked_account
from tests.gateway.waiting import wait_for

pytestmark = pytest.mark.money


@pytest.fixture
def model(gateway, backend):
    return until_known(new_model(backend.base_url), gateway)


def test_a_table_that_stays_locked_holds_up_no_answer_and_costs_no_charge(gateway, customer, backend, model):
    """Longer than a lock time-out, and than the one of the second try: the settlement is kept on disk, and the answer ends."""
    gate = backend.gate("before_done")
    with OpenCall(gateway, customer, model) as call:
        gate.wait_reached()
        with locked("LOCK TABLE usage_inference IN SHARE MODE"):
            gate.release()
            assert call.rest()[-1] == "[DONE]"
            assert customer.inferences == []
    [row] = customer.settled()
    assert (row.status, row.charged) == (Status.COMPLETED, 10 * INPUT + OUTPUT)


def test_an_account_that_is_locked_does_not_hold_up_the_others(gateway, customer, backend, model):
    other = new_customer()
    with locked_account(customer.account_id) as slow, OpenCall(gateway, customer, model) as call:
        slow.wait_until_met_by("admission")
        for _ in range(3):
            assert chat(gateway, other, model).status_code == 200
        slow.end()
        assert call.rest()[-1] == "[DONE]"
    assert len(other.settled(3)) == 3
    assert len(customer.settled()) == 1


def test_an_account_that_stays_locked_is_refused_with_503_and_a_time_to_come_back(gateway, customer, backend, model):
    with locked_account(customer.account_id):
        answer = chat(gateway, customer, model)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert chat(gateway, customer, model).status_code == 200
    assert len(customer.settled()) == 1


def test_a_process_whose_lease_is_locked_renews_it_afterwards(gateway):
    """The reaper locks the row of a process it fences; a renewal that meets that lock must not be the last one."""
    row = Process.objects.get(name__endswith=f":{gateway.pid}", fenced=False)
    seen = gateway.log_size()
    with locked("SELECT 1 FROM gateway_process WHERE id = %s FOR UPDATE", row.pk):
        wait_for(lambda: "WARNING apps.gateway.leases" in gateway.log(seen), what="a renewal that gave up waiting")
    row.refresh_from_db()
    until = row.lease_until
    wait_for(
        lambda: Process.objects.filter(name__endswith=f":{gateway.pid}", fenced=False, lease_until__gt=until).exists(), what="a renewal"
    )


def test_connections_that_break_in_the_middle_of_a_stream_are_made_anew_at_nobodys_cost(gateway, customer, backend, model):
    gate = backend.gate("before_done")
    with OpenCall(gateway, customer, model) as call:
        gate.wait_reached()
        for name in ("settlement", "admission", "lease", "housekeeping", "keys"):
            for connection in activity(name):
                cut(connection)
        gate.release()
        assert call.rest()[-1] == "[DONE]"
    assert len(customer.settled()) == 1
    assert chat(gateway, new_customer(), model).status_code == 200  # a key that has to be looked up
    assert chat(gateway, customer, model).status_code == 200
    assert len(customer.settled(2)) == 2


def test_an_admission_whose_outcome_is_unknown_gives_back_what_it_may_have_got(gateway, customer, backend, model):
    """The connection breaks after the database has admitted and before the process hears of it."""
    process_id = Process.objects.get(name__endswith=f":{gateway.pid}", fenced=False).pk

    def request() -> AdmissionRequest:
        return AdmissionRequest(uuid7(), customer.account_id, customer.key_id, 5_000_000, 1_000, 10, 1, 100, model.id, 1, 1, False)

    async def admit_over_a_breaking_connection() -> None:
        settling = Settling()

        def release(item: AdmissionRequest) -> None:
            settling.post(
                Settlement(item.id, item.account_id, item.key_id, item.model_id, item.price_id, item.dialect, item.streamed, logged=False)
            )

        admission = Admission(lambda: process_id, release)
        await settling.start()
        await admission.start()
        answered = admission._link._prepared

        async def broken(statement: Prepared, values: Any) -> list[tuple[Any, ...]]:
            rows = await answered(statement, values)
            assert [row[1] for row in rows] == [0], "it was admitted"
            raise OutcomeUnknown("the connection broke")

        admission._link._prepared = broken  # type: ignore[method-assign]
        with pytest.raises(Refused):
            await admission.admit(request())
        waiting = asyncio.create_task(admission.admit(request()))  # and one whose caller has gone meanwhile
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await admission.stop()
        await settling.settle(Settlement(uuid7(), customer.account_id, None, 1, 1, 1, False, logged=False))  # comes after those
        await settling.stop()

    asyncio.run(admit_over_a_breaking_connection())
    assert not Hold.objects.filter(account_id=customer.account_id).exists()
    assert customer.inferences == []
