"""Accounts of their own for tests, which really commit."""

from __future__ import annotations

from apps.accounts.actions import Registered, create_account_for
from apps.core.ids import uuid7


def new_email() -> str:
    return f"{uuid7().hex}@example.com"


def new_customer() -> Registered:
    """A user nobody else in the test run has, with an account and no credit."""
    return create_account_for(new_email())
