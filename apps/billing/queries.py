"""Reads for pages and the API. Amounts in nano-USD."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from apps.billing.models import PaymentMethod, TransactionKind


@dataclass(frozen=True, slots=True)
class BurnRate:
    """`per_day`: what usage cost a day, over the last week or since the account was first used in it. `days_left`: how long what is
    available lasts at that rate; None where nothing was used."""

    per_day: int
    days_left: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A ledger transaction as its account sees it. `amount`: into (+) or out of (−) its credit. `balance`: what it had afterwards;
    None in a list that leaves some out. `receipt`: the number of the payment's receipt, where there is one."""

    id: int
    kind: TransactionKind
    amount: int
    balance: int | None
    created_at: datetime
    note: str
    receipt: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: the cursor of the page after this one; None at the end."""

    lines: list[Line]
    next: str | None


def transactions_page(
    account_id: int,
    *,
    kinds: Collection[TransactionKind] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Newest first; `kinds` empty means all; `since` ≤ time < `until`. Raises ValueError for a cursor that did not come from here."""
    raise NotImplementedError


def all_transactions(
    account_id: int, *, kinds: Collection[TransactionKind] = (), since: datetime | None = None, until: datetime | None = None
) -> Iterator[Line]:
    """The same, all of them, a page at a time: for CSV."""
    raise NotImplementedError


def burn_rate(account_id: int) -> BurnRate:
    raise NotImplementedError


def cards_of(account_id: int) -> list[PaymentMethod]:
    """The default first, then the newest."""
    raise NotImplementedError


def debt_of(account_id: int) -> int:
    """What the account owes because money went back that was spent already; it is suspended while this is above 0."""
    raise NotImplementedError
