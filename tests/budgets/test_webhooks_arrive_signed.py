"""Promise: a webhook arrives signed; it is tried again with pauses while its receiver fails, and not for ever; it reaches nothing private."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.actions import Registered
from apps.budgets import actions, watch, webhooks
from apps.budgets.models import Delivery
from tests.budgets.receiver import Receiver, receiving
from tests.budgets.spending import budget, spend

pytest_plugins = ["tests.dashboard.history"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    Delivery.objects.filter(ended_at=None).delete()  # of other tests
    with receiving() as one:
        yield one


def deliver_now() -> int:
    """Whatever is owed is due."""
    Delivery.objects.filter(ended_at=None).update(next_try_at=timezone.now())
    return webhooks.deliver_due()


def the_delivery(customer: Registered) -> Delivery:
    return Delivery.objects.get(account=customer.account)


def verified(secret: str, header: str, body: str) -> bool:
    """As a receiver does it, after the documentation."""
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(secret.encode(), f"{parts['t']}.{body}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


def configured(customer: Registered, url: str) -> actions.Configured:
    return actions.configure(customer.account, amount="100", thresholds=[50], by_mail=False, webhook_url=url)


def test_an_alert_arrives_once_with_its_figures_and_signature(alice: Registered, receiver: Receiver) -> None:
    made = configured(alice, receiver.url)
    spend(alice, 60)
    watch.look(alice.account.pk)
    assert deliver_now() == 1
    assert deliver_now() == 0
    [arrival] = receiver.arrived
    assert arrival.path == "/hook?token=a%20b"
    assert verified(made.secret, arrival.headers["AkashML-Signature"], arrival.body)
    assert not verified(made.secret, arrival.headers["AkashML-Signature"], arrival.body + " ")
    event = json.loads(arrival.body)
    assert (event["id"], event["type"]) == (str(the_delivery(alice).pk), "budget.threshold_reached")
    assert event["data"] == {
        "month": f"{timezone.now():%Y-%m}", "time_zone": "UTC", "budget": "100", "spent": "60", "threshold_percent": 50, "threshold": "50",
    }  # fmt: skip
    assert the_delivery(alice).outcome.startswith("HTTP 200 after ")
    assert made.secret not in the_delivery(alice).outcome + made.budget.secret_encrypted


def test_a_receiver_that_fails_is_asked_again_with_pauses_and_not_for_ever(alice: Registered, receiver: Receiver) -> None:
    configured(alice, receiver.url)
    spend(alice, 60)
    watch.look(alice.account.pk)
    receiver.answers = [500] * 100
    pauses = []
    while the_delivery(alice).ended_at is None:
        assert deliver_now() == 0
        row = the_delivery(alice)
        pauses.append(round((row.next_try_at - timezone.now()).total_seconds(), -1))
        assert row.outcome.startswith("HTTP 500")
    assert len(receiver.arrived) == webhooks.MOST_ATTEMPTS == len(pauses)
    assert pauses[:4] == [30, 120, 600, 3600]
    assert len({arrival.body for arrival in receiver.arrived}) == 1
    assert not the_delivery(alice).delivered
    assert deliver_now() == 0


def test_a_second_attempt_that_is_taken_ends_it(alice: Registered, receiver: Receiver) -> None:
    configured(alice, receiver.url)
    spend(alice, 60)
    watch.look(alice.account.pk)
    receiver.answers = [503]
    assert webhooks.deliver_due() == 0
    assert webhooks.deliver_due() == 0  # it has to wait
    assert deliver_now() == 1
    assert (the_delivery(alice).attempts, the_delivery(alice).delivered) == (2, True)


def test_a_test_is_sent_once_and_bounded(alice: Registered, receiver: Receiver) -> None:
    configured(alice, receiver.url)
    receiver.answers = [500]
    actions.send_test(alice.account.pk)
    assert deliver_now() == 0
    assert the_delivery(alice).ended_at is not None
    assert json.loads(receiver.arrived[0].body)["type"] == "webhook.test"
    for _ in range(actions.TESTS_PER_MINUTE - 1):
        actions.send_test(alice.account.pk)
    with pytest.raises(actions.TooManyTests):
        actions.send_test(alice.account.pk)


def test_a_rotated_secret_signs_from_now_on(alice: Registered, receiver: Receiver) -> None:
    first = configured(alice, receiver.url).secret
    assert configured(alice, receiver.url).secret == ""  # saving again keeps it
    second = actions.rotate_secret(alice.account.pk)
    actions.send_test(alice.account.pk)
    deliver_now()
    [arrival] = receiver.arrived
    header = arrival.headers["AkashML-Signature"]
    assert (verified(first, header, arrival.body), verified(second, header, arrival.body)) == (False, True)


def test_redirects_are_not_followed(alice: Registered, receiver: Receiver) -> None:
    with receiving() as inner:
        configured(alice, receiver.url)
        receiver.answers, receiver.leads_to = [307], inner.url
        actions.send_test(alice.account.pk)
        assert deliver_now() == 0
        assert inner.arrived == []
    assert the_delivery(alice).outcome.endswith("redirects are not followed")


def test_nothing_private_is_reached(alice: Registered, receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_PRIVATE_WEBHOOKS = False
    for url in (
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
    ):
        with pytest.raises(actions.ValidationError) as refusal:
            configured(alice, url)
        assert list(refusal.value.message_dict) == ["webhook_url"]
    # A name that pointed elsewhere when it was written down.
    answers: dict[str, Any] = {"public": [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]}
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: answers["public"])
    configured(alice, "https://hooks.example.com/")
    answers["public"] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    actions.send_test(alice.account.pk)
    assert deliver_now() == 0
    assert "not on the public internet" in the_delivery(alice).outcome


def test_one_sweep_at_a_time(alice: Registered, receiver: Receiver) -> None:
    configured(alice, receiver.url)
    actions.send_test(alice.account.pk)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [webhooks.LOCK])
        assert deliver_now() == 0
        cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [webhooks.LOCK])  # a session that ends lets go only a moment later
    other.close()
    assert deliver_now() == 1


def test_an_address_that_is_taken_away_gets_nothing_more(alice: Registered, receiver: Receiver) -> None:
    configured(alice, receiver.url)
    actions.send_test(alice.account.pk)
    budget(alice, webhook_url="")
    assert deliver_now() == 0
    assert receiver.arrived == []
    with pytest.raises(actions.Budget.DoesNotExist):
        actions.send_test(alice.account.pk)


def test_the_log_is_cut(alice: Registered, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(alice, receiver.url)
    for _ in range(4):
        actions.send_test(alice.account.pk)
    deliver_now()
    newest = [*Delivery.objects.filter(account=alice.account).order_by("-pk").values_list("pk", flat=True)]
    monkeypatch.setattr(webhooks, "KEPT_OF_ACCOUNT", 2)
    webhooks.forget_old()
    assert [*Delivery.objects.filter(account=alice.account).order_by("-pk").values_list("pk", flat=True)] == newest[:2]
    Delivery.objects.filter(pk=newest[1]).update(ended_at=timezone.now() - webhooks.KEPT)
    webhooks.forget_old()
    assert Delivery.objects.get(account=alice.account).pk == newest[0]
