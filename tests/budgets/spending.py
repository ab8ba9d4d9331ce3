"""Budgets, and spending that is made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from apps.accounts.actions import Registered
from apps.budgets import actions
from apps.budgets.models import Budget
from tests.dashboard.history import request_at

USD = 10**9


def budget(customer: Registered, amount: str = "100", thresholds: tuple[int, ...] = (50, 80, 100), **values: Any) -> Budget:
    choices = {"by_mail": True, "webhook_url": ""} | values
    return actions.configure(customer.account, amount=amount, thresholds=thresholds, **choices).budget


def spend(customer: Registered, usd: int, at: datetime | None = None) -> None:
    request_at(customer.account, at or timedelta(), charged=usd * USD, cost=usd * USD, total_ms=0)
