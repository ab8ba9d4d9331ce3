"""The soak is worth something only if it sees an answer that ended well for its client and is not in the books as it should be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.core.ids import uuid7
from apps.usage.models import Dialect, Inference, Status
from benchmarks.soak.report import missing
from benchmarks.soak.traffic import Finished, usage_of_stream

ACCOUNT = 987_654


def logged(cost: int, charged: int, status: Status = Status.COMPLETED) -> str:
    now = timezone.now()
    row = Inference(
        id=uuid7(), account_id=ACCOUNT, model_id=1, price_id=1, dialect=Dialect.CHAT, streamed=False, status=status, http_status=200,
        finish_reason="stop", error_code="", prompt_tokens=1, cached_tokens=0, completion_tokens=1, reasoning_tokens=0, estimated=False,
        cost=cost, charged=charged, paid_pools=[], paid_amounts=[], admitted_at=now, settled_at=now, queue_ms=0, total_ms=1,
    )  # fmt: skip
    row.save(force_insert=True)
    return str(row.id)


@pytest.fixture(autouse=True)
def no_rows_are_left():
    yield
    Inference.objects.filter(account_id=ACCOUNT).delete()


def faults(identifier: str, cost: int) -> list[str]:
    return list(missing(SimpleNamespace(accounts=[ACCOUNT], finished=[Finished(identifier, cost)])))


def test_an_answer_that_is_in_the_log_at_its_cost_is_in_order() -> None:
    assert faults(logged(50, 50), 50) == []
    assert faults(logged(50, 20), 50) == []  # credit ran out: written off, which the ledger's check judges


def test_an_answer_that_is_missing_cut_short_or_charged_otherwise_is_a_fault() -> None:
    assert "not in the log" in faults(str(uuid7()), 50)[0]
    assert "is logged as" in faults(logged(50, 50, Status.LOST), 50)[0]
    assert "the log says 49" in faults(logged(49, 49), 50)[0]


def test_a_stream_ended_well_only_with_its_mark() -> None:
    chunk = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
    assert usage_of_stream(chunk + b"data: [DONE]\n\n") == (3, 5)
    assert usage_of_stream(chunk) is None
    assert usage_of_stream(b"") is None
    assert usage_of_stream(chunk + b'data: {"error":{}}\n\n') is None
