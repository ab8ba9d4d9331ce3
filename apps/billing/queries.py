"""Reads for pages and the API. Amounts in nano-USD."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from apps.billing.credits import balance
from apps.billing.models import Book, CreditPool, LedgerTransaction, PaymentMethod, Posting, Receipt, TransactionKind
from apps.core.ids import EPOCH
from apps.core.moments import database_now

MICROSECOND = timedelta(microseconds=1)
BURN_SPAN = timedelta(days=7)
BURN_LEAST_SPAN = timedelta(hours=1)  # a first request a minute ago says nothing about a day
BURN_READS = 5_000  # of the newest usage transactions: enough for a rate, and bounded for whoever has millions
BURN = """
SELECT coalesce(-sum(p.amount), 0), min(t.created_at)
FROM (SELECT id, created_at FROM billing_ledgertransaction WHERE account_id = %s AND kind = %s AND created_at > %s
      ORDER BY created_at DESC, id DESC LIMIT %s) t
LEFT JOIN billing_posting p ON p.transaction_id = t.id AND p.book = %s
"""


@dataclass(frozen=True, slots=True)
class BurnRate:
    """`per_day`: what usage costs a day, by the last week, or by what there is of it. `days_left`: how long what is available lasts
    at that rate; None where nothing was used."""

    per_day: int
    days_left: float | None

    @property
    def whole_days_left(self) -> int | None:
        return None if self.days_left is None else int(self.days_left)


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
    start: datetime | None = None,
    end: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Newest first; `kinds` empty means all; `start` ≤ time < `end`. Raises ValueError for a cursor that did not come from here."""
    rows = LedgerTransaction.objects.filter(account_id=account_id)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    if start is not None:
        rows = rows.filter(created_at__gte=start)
    if end is not None:
        rows = rows.filter(created_at__lt=end)
    running: int | None = None
    if cursor is not None:
        moment, last_id, running = _parsed(cursor)
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last_id))
    elif not kinds and end is None:
        running = _everything(account_id)
    found = list(rows.order_by("-created_at", "-id")[: limit + 1])
    lines = _lines(found[:limit], running)
    if len(found) <= limit:
        return Page(lines, None)
    last = lines[-1]
    left = "" if last.balance is None else str(last.balance - last.amount)
    return Page(lines, f"{(last.created_at - EPOCH) // MICROSECOND}_{last.id}_{left}")


def all_transactions(
    account_id: int, *, kinds: Collection[TransactionKind] = (), start: datetime | None = None, end: datetime | None = None
) -> Iterator[Line]:
    """The same, all of them, a page at a time: for CSV."""
    cursor: str | None = None
    while True:
        page = transactions_page(account_id, kinds=kinds, start=start, end=end, cursor=cursor, limit=500)
        yield from page.lines
        if page.next is None:
            return
        cursor = page.next


def burn_rate(account_id: int) -> BurnRate:
    """By the newest BURN_READS usage transactions of the last week."""
    now = database_now()
    with connection.cursor() as cursor:
        cursor.execute(BURN, [account_id, TransactionKind.USAGE, now - BURN_SPAN, BURN_READS, Book.POOL])
        [spent, oldest] = cursor.fetchone() or (0, None)
    if oldest is None:
        return BurnRate(0, None)
    span = max(now - oldest, BURN_LEAST_SPAN)
    per_day = int(spent) * 86_400_000_000 // (span // MICROSECOND)
    return BurnRate(per_day, balance(account_id).available / per_day if per_day else None)


def cards_of(account_id: int) -> list[PaymentMethod]:
    """The default first, then the newest."""
    return list(PaymentMethod.objects.filter(account_id=account_id, removed_at=None).order_by("-is_default", "-created_at", "-pk"))


def _lines(rows: list[LedgerTransaction], running: int | None) -> list[Line]:
    keys = [row.pk for row in rows]
    amounts = dict(_pool_postings(keys).values_list("transaction_id").annotate(sum=Sum("amount")))
    purchases = {row.reference: row.pk for row in rows if row.kind == TransactionKind.PURCHASE}
    numbers = Receipt.objects.filter(payment__intent_id__in=purchases).values_list("payment__intent_id", "number")
    receipts = {purchases[intent]: number for intent, number in numbers if intent is not None}
    lines = []
    for row in rows:
        amount = amounts.get(row.pk, 0)
        lines.append(Line(row.pk, TransactionKind(row.kind), amount, running, row.created_at, row.note, receipts.get(row.pk)))
        running = None if running is None else running - amount
    return lines


def _pool_postings(transactions: list[int]) -> QuerySet[Posting]:
    return Posting.objects.filter(transaction_id__in=transactions, book=Book.POOL)


def _everything(account_id: int) -> int:
    """What all pools have, expired ones too, whose rest is booked away by the next sweep: where the running balance starts."""
    return CreditPool.objects.filter(account_id=account_id).aggregate(sum=Sum("remaining"))["sum"] or 0


def _parsed(cursor: str) -> tuple[datetime, int, int | None]:
    try:
        microseconds, number, running = cursor.split("_")
        moment = EPOCH + int(microseconds) * MICROSECOND
        return moment, int(number), int(running) if running else None
    except (ValueError, OverflowError):
        raise ValueError("the cursor is not one that was given out") from None
