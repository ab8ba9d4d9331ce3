"""Promise: a process that is told to stop lets the answers of the Playground end as it lets requests: they have DRAIN_S, and are kept whole."""

from __future__ import annotations

import pytest

from apps.playground.models import AnswerStatus, Message
from tests.gateway.clients import until_known
from tests.gateway.customers import Customer, new_model
from tests.gateway.waiting import wait_for
from tests.playground.conftest import WORDS
from tests.playground.talking import Tab


@pytest.mark.parametrize(("patience_s", "status"), [("60", AnswerStatus.COMPLETED), ("1", AnswerStatus.FAILED)])
def test_until_drain_s_is_over(gateways, customer: Customer, backend, patience_s: str, status: AnswerStatus) -> None:
    [process] = gateways(1, SERVE="all", DRAIN_S=patience_s, PLAYGROUND_GRACE_S="60")
    backend.reply(chunks=WORDS, prompt_tokens=10)
    model = until_known(new_model(backend.base_url), process)
    gate = backend.gate("before_chunk:2")
    with Tab(process, customer) as tab:
        run = tab.run(model)
        tab.hear("one two ")
        gate.wait_reached(1)
        process.terminate()
        assert tab.closed() == 1012
    wait_for(lambda: "Waiting for application shutdown" in process.log(), 30, "the end of the server")
    if status == AnswerStatus.COMPLETED:
        gate.release()
    process.wait_ended(60)
    assert Message.objects.get(pk=run).status == status
