"""Promise: an account is told once a month of each threshold of its budget that it has spent, by mail and webhook, and nobody else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.billing import notices
from apps.billing.models import Notice
from apps.budgets import actions, watch
from apps.budgets.models import Alert, Budget, Delivery
from apps.usage.ranges import month_of
from tests.budgets.spending import USD, budget, spend
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]


def mails_of(customer: Registered) -> list[str]:
    """The subjects of what is owed and was not looked at yet; it is sent."""
    mail.outbox = []
    Notice.objects.exclude(account=customer.account).filter(sent_at=None).update(attempts=100)  # of other tests
    notices.send_owed()
    return [one.subject for one in mail.outbox if one.to == [customer.user.email]]


def test_each_threshold_once_and_the_highest_alone(alice: Registered) -> None:
    budget(alice)
    look = lambda: watch.look(alice.account.pk)  # noqa: E731
    month = f"{timezone.now():%B}"
    assert not look()
    spend(alice, 49)
    assert not look()
    spend(alice, 1)
    assert look()
    assert mails_of(alice) == [f"You have spent 50% of your budget for {month}"]
    assert not look()
    spend(alice, 70)  # 80 and 100 at once
    assert look()
    assert mails_of(alice) == [f"You have spent 100% of your budget for {month}"]
    assert [(one.percent, one.told) for one in Alert.objects.filter(account=alice.account).order_by("percent")] == [(50, True), (80, False), (100, True)]  # fmt: skip
    spend(alice, 500)
    assert not look()
    budget(alice, thresholds=(25, 50, 80, 100))  # a lower one that is added now tells nothing new
    assert not look()


def test_a_sweep_looks_at_accounts_with_a_budget_when_their_turn_has_come(alice: Registered) -> None:
    other = new_customer()
    for one in (alice, other):
        spend(one, 60)
    budget(alice)
    Budget.objects.exclude(pk=alice.account.pk).update(next_look_at=timezone.now() + timedelta(days=1))
    assert watch.watch_budgets() == 1
    assert not Alert.objects.filter(account=other.account).exists()
    spend(alice, 30)
    assert watch.watch_budgets() == 0  # not its turn yet
    Budget.objects.filter(pk=alice.account.pk).update(next_look_at=timezone.now())
    assert watch.watch_budgets() == 1


def test_a_budget_that_is_raised_tells_anew_and_the_same_one_set_again_does_not(alice: Registered) -> None:
    spend(alice, 60)
    budget(alice)
    assert watch.look(alice.account.pk)
    budget(alice, "110", (50,))
    assert watch.look(alice.account.pk)
    budget(alice)
    assert not watch.look(alice.account.pk)
    actions.remove(alice.account.pk)
    budget(alice)
    assert not watch.look(alice.account.pk)


def test_the_month_is_that_of_the_accounts_time_zone(alice: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    alice.account.time_zone = "Pacific/Kiritimati"  # 14 hours ahead of UTC: its month begins first
    alice.account.save()
    budget(alice)
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)  # there it is April 1st, 2:00
    monkeypatch.setattr(watch, "database_now", lambda: now)
    begun = month_of(now, ZoneInfo("Pacific/Kiritimati")).start
    spend(alice, 60, begun - timedelta(minutes=1))
    assert watch.spent_this_month(alice.account).amount == 0
    spend(alice, 70, begun)
    assert watch.spent_this_month(alice.account).amount == 70 * USD
    assert watch.look(alice.account.pk)
    assert [str(one.month) for one in Alert.objects.filter(account=alice.account)] == ["2026-04-01"]


def test_who_wants_no_mail_gets_none(alice: Registered) -> None:
    budget(alice, by_mail=False, webhook_url="http://127.0.0.1:9/hook")
    spend(alice, 60)
    assert watch.look(alice.account.pk)
    assert mails_of(alice) == []
    assert Delivery.objects.filter(account=alice.account).count() == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("amount", {"amount": "0"}),
        ("amount", {"amount": "ten"}),
        ("amount", {"amount": "1.001"}),
        ("amount", {"amount": "1000000001"}),
        ("thresholds", {"thresholds": ()}),
        ("thresholds", {"thresholds": (0, 50)}),
        ("thresholds", {"thresholds": (1001,)}),
        ("thresholds", {"thresholds": tuple(range(1, 12))}),
        ("by_mail", {"by_mail": False}),
        ("webhook_url", {"webhook_url": "ftp://example.com"}),
        ("webhook_url", {"webhook_url": "https://user@example.com/"}),
        ("webhook_url", {"webhook_url": f"https://example.com/{'x' * 500}"}),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(alice: Registered, field: str, values: dict[str, Any]) -> None:
    with pytest.raises(actions.ValidationError) as refusal:
        budget(alice, **values)
    assert list(refusal.value.message_dict) == [field]
    assert not Budget.objects.filter(pk=alice.account.pk).exists()
