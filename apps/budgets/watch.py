"""Noticing that an account has spent a threshold of its month's budget. Only accounts with a budget are looked at.

What is compared is what the Usage page shows as spent this month: what was charged in the calendar month of the account's time zone,
to the last request that has ended.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from apps.accounts.models import Account, AccountStatus
from apps.billing.claims import claim
from apps.billing.models import NoticeKind
from apps.billing.notices import owe_mail
from apps.budgets.messages import THRESHOLD_REACHED, alert_body
from apps.budgets.models import Alert, Budget, Delivery
from apps.core.ids import uuid7
from apps.core.moments import database_now
from apps.usage import figures, ranges
from apps.usage.ranges import Range

LOOK_EVERY = timedelta(seconds=20)
AT_ONCE = 500  # budgets in one sweep


@dataclass(frozen=True, slots=True)
class Spent:
    """What an account was charged in the current month of its time zone, nano-USD."""

    amount: int
    month: Range

    @property
    def first_day(self) -> date:
        return self.month.start.astimezone(self.month.zone).date()


def spent_this_month(account: Account) -> Spent:
    month = ranges.month_of(database_now(), zone_of(account))
    return Spent(figures.total(account.pk, month).charged, month)


def watch_budgets() -> int:
    """One sweep over the budgets whose turn it is; returns how many accounts were told something."""
    due = Budget.objects.filter(account__status=AccountStatus.ACTIVE)
    return sum(look(account_id) for account_id in claim(due, "next_look_at", LOOK_EVERY, AT_ONCE))


@transaction.atomic
def look(account_id: int) -> bool:
    """Whether something was told. Of several thresholds reached since the last look the highest alone is."""
    budget = Budget.objects.select_for_update(of=("self",), no_key=True).select_related("account").filter(pk=account_id).first()
    if budget is None:
        return False
    spent = spent_this_month(budget.account)
    reached = [percent for percent in budget.thresholds if spent.amount * 100 >= budget.amount * percent]
    before = Alert.objects.filter(account_id=account_id, month=spent.first_day, amount=budget.amount)
    known = set(before.values_list("percent", flat=True))
    fresh = [percent for percent in reached if percent not in known]
    if not fresh:
        return False
    tell = max(fresh) if max(fresh) > max(known, default=0) else None
    common = {"account_id": account_id, "month": spent.first_day, "amount": budget.amount, "spent": spent.amount}
    Alert.objects.bulk_create([Alert(**common, percent=percent, told=percent == tell) for percent in fresh], ignore_conflicts=True)
    if tell is not None:
        _tell(budget, tell, spent)
    return tell is not None


def _tell(budget: Budget, percent: int, spent: Spent) -> None:
    facts = {"percent": percent, "budget": budget.amount, "spent": spent.amount, "month": f"{spent.first_day:%Y-%m}"}
    if budget.by_mail:
        owe_mail(budget.account_id, NoticeKind.BUDGET, f"{facts['month']}:{budget.amount}:{percent}", **facts)
    if budget.webhook_url:
        identifier, zone = uuid7(), spent.month.zone.key
        body = alert_body(identifier, percent=percent, amount=budget.amount, spent=spent.amount, month=spent.first_day, zone=zone)
        Delivery.objects.create(pk=identifier, account_id=budget.account_id, event=THRESHOLD_REACHED, body=body)


def zone_of(account: Account) -> ZoneInfo:
    """The account's time zone, UTC where it is not known here."""
    try:
        return ZoneInfo(account.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
