"""An account whose spending leaves with its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.accounts.actions import Registered
from apps.budgets import actions
from tests.people import new_customer


@pytest.fixture
def alice() -> Iterator[Registered]:
    """Without a budget yet; it goes with the test, so that no sweep of another one sees it."""
    customer = new_customer()
    yield customer
    actions.remove(customer.account.pk)
