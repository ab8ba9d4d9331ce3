"""Promise: operators are told of trouble once when it began and once when it is over, by mail and webhook, and not of what passes."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.core import mail
from django.db.models import F
from pytest_django import Settings

from apps.gateway import ledger_check
from apps.gateway.ledger_check import LedgerReport, Violation
from apps.staff import incidents
from apps.staff.health import Lag
from apps.staff.incidents import Sight
from apps.staff.models import Incident

HOOK = "https://hooks.example.com/akashml"


class Receiver:
    """The other end of the webhook."""

    def __init__(self) -> None:
        self.status, self.got = 200, []  # type: ignore[var-annotated]

    def post(self, url: str, content: bytes, headers: dict[str, str], timeout: float) -> httpx.Response:
        if self.status == 200:
            self.got.append((url, content, headers))
        return httpx.Response(self.status, request=httpx.Request("POST", url))


@pytest.fixture
def receiver(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    Incident.objects.all().delete()
    settings.OPERATOR_ALERT_EMAILS, settings.OPERATOR_ALERT_WEBHOOK, settings.OPERATOR_ALERT_SECRET = ["ops@example.com"], HOOK, "s3cret"
    receiver = Receiver()
    monkeypatch.setattr(incidents.httpx, "post", receiver.post)
    return receiver


def seen(monkeypatch: pytest.MonkeyPatch, *sights: Sight) -> None:
    """These are wrong now, and operators are told."""
    for source, found in (("_backends", list(sights)), ("_queues", []), ("_jobs", []), ("_write_offs", [])):
        monkeypatch.setattr(incidents, source, lambda found=found: found)
    incidents.look()
    incidents.tell()


def a_minute_passes() -> None:
    Incident.objects.update(opened_at=F("opened_at") - timedelta(seconds=61))


DOWN = Sight("backend", "7", "Backend https://b.example.com/v1 of a/model is down: takes no connections")


def test_each_channel_tells_once_that_it_began_and_once_that_it_is_over(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, DOWN)
    assert (mail.outbox, receiver.got) == ([], [])  # it may pass
    a_minute_passes()
    for _ in range(3):
        seen(monkeypatch, DOWN)
    for _ in range(3):
        seen(monkeypatch)
    assert [message.subject for message in mail.outbox] == ["[AkashML] Trouble: backend, 7", "[AkashML] Over: backend, 7"]
    assert all(message.to == ["ops@example.com"] and DOWN.text in message.body for message in mail.outbox)
    assert [json.loads(body)["event"] for _, body, _ in receiver.got] == ["incident.began", "incident.over"]
    for url, body, headers in receiver.got:
        assert url == HOOK
        assert headers["X-AkashML-Signature"] == f"sha256={hmac.new(b's3cret', body, hashlib.sha256).hexdigest()}"
    seen(monkeypatch, DOWN)
    a_minute_passes()
    seen(monkeypatch, DOWN)
    assert len(mail.outbox) == 3  # another incident


def test_what_passes_within_a_minute_is_not_told(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, DOWN)
    seen(monkeypatch)
    a_minute_passes()
    seen(monkeypatch)
    assert (mail.outbox, receiver.got) == ([], [])
    assert Incident.objects.get().closed_at is not None


def test_a_channel_that_fails_is_tried_again_and_holds_up_no_other(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.status = 500
    seen(monkeypatch, DOWN)
    a_minute_passes()
    seen(monkeypatch, DOWN)
    assert (len(mail.outbox), receiver.got) == (1, [])
    receiver.status = 200
    seen(monkeypatch, DOWN)
    assert (len(mail.outbox), len(receiver.got)) == (1, 1)


def test_queues_write_offs_and_the_ledger_are_looked_at(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(incidents, "lags", lambda: [Lag("Webhook events", 4, 900, 300), Lag("Mails about money", 1, 3, 900)])
    monkeypatch.setattr(incidents, "WRITTEN_OFF", "SELECT 1000000001")
    settings.OPERATOR_ALERT_WRITE_OFF_USD = Decimal(1)
    report: list[Any] = [Violation("I1", "an account has more than it was given")]
    monkeypatch.setattr(ledger_check, "check", lambda most: LedgerReport(report, {}))
    incidents.look()
    incidents.look_at_ledger()
    incidents.look()
    opened = set(Incident.objects.filter(closed_at=None).values_list("kind", "subject"))
    assert {("queue", "Webhook events"), ("write-off", "last hour"), ("ledger", "invariants")} <= opened
    assert ("queue", "Mails about money") not in opened
    report.clear()
    settings.OPERATOR_ALERT_WRITE_OFF_USD = Decimal(2)
    incidents.look_at_ledger()
    incidents.look()
    assert not Incident.objects.filter(closed_at=None, kind__in=("ledger", "write-off")).exists()
