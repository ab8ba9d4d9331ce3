"""The list of transactions on the Billing page: filters, pages, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account
from apps.billing.models import TransactionKind
from apps.billing.queries import Line, all_transactions, transactions_page
from apps.core.money import usd_from_nano
from apps.dashboard.billing_forms import TransactionFilter
from apps.dashboard.errors import Problem, error_page

PAGE = 25  # rows
MOST_LINES = 500  # of the ledger, for one page
CSV_CHUNK = 200  # lines
NAMES = {
    TransactionKind.USAGE: "Usage",
    TransactionKind.GRANT: "Credit granted",
    TransactionKind.PURCHASE: "Top-up",
    TransactionKind.EXPIRY: "Expired",
    TransactionKind.ADJUSTMENT: "Correction",
    TransactionKind.REFUND: "Refund",
    TransactionKind.DISPUTE: "Dispute",
    TransactionKind.COLLECTION: "Debt paid",
}
WORDS = {kind: kind.name.lower() for kind in TransactionKind}
KINDS = {word: kind for kind, word in WORDS.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the ledger, or the charges for usage of a day that follow each other: `line` is the newest, `amount` their sum."""

    line: Line
    amount: int
    charges: int = 1

    def holds(self, other: Line) -> bool:
        """Whether the line that is next, an older one, belongs to it."""
        usage = self.line.kind == other.kind == TransactionKind.USAGE
        return usage and timezone.localdate(self.line.created_at) == timezone.localdate(other.created_at)


@dataclass(frozen=True, slots=True)
class TransactionList:
    """`more` and `csv` are addresses with the filters in them; `more` is empty on the last page."""

    rows: list[Row]
    more: str
    csv: str
    filter: TransactionFilter
    filtered: bool


def transaction_list(request: HttpRequest, account_id: int) -> TransactionList:
    """Filters that make no sense count as not given. Raises Http404 for a cursor that no list gave."""
    form, chosen = filters_of(request.GET)
    try:
        rows, after = _page(account_id, chosen, request.GET.get("after"))
    except ValueError:
        raise Http404 from None
    query = {name: form.data[name] for name in form.fields if form.data.get(name)}
    sound = {name: value for name, value in query.items() if name not in form.errors}
    return TransactionList(
        rows=rows,
        more=f"?{urlencode({**query, 'after': after})}" if after else "",
        csv=f"?{urlencode(sound)}" if sound else "",
        filter=form,
        filtered=bool(query),
    )


def _page(account_id: int, chosen: dict[str, Any], cursor: str | None) -> tuple[list[Row], str | None]:
    """At most PAGE rows, and the cursor of the next page. Who asks for usage alone gets each charge. Raises ValueError."""
    each = TransactionKind.USAGE in chosen["kinds"]
    page = transactions_page(account_id, **chosen, cursor=cursor, limit=PAGE if each else MOST_LINES)
    if each:
        return [Row(line, line.amount) for line in page.lines], page.next
    rows = summed_up(page.lines)
    if len(rows) > PAGE:
        page = transactions_page(account_id, **chosen, cursor=cursor, limit=sum(row.charges for row in rows[:PAGE]))
        rows = summed_up(page.lines)
    return rows, page.next


def summed_up(lines: list[Line]) -> list[Row]:
    """Lines, the newest first, as rows: charges for usage that follow each other within a day are one."""
    rows: list[Row] = []
    for line in lines:
        if rows and rows[-1].holds(line):
            rows[-1] = Row(rows[-1].line, rows[-1].amount + line.amount, rows[-1].charges + 1)
        else:
            rows.append(Row(line, line.amount))
    return rows


def filters_of(query: QueryDict) -> tuple[TransactionFilter, dict[str, Any]]:
    """The form, and what of it makes sense as arguments of transactions_page."""
    form = TransactionFilter(query)
    form.fields["kind"].choices = [("", "All kinds"), *((WORDS[kind], name) for kind, name in NAMES.items())]  # type: ignore[attr-defined]
    form.is_valid()
    data = form.cleaned_data
    chosen: dict[str, Any] = {"kinds": (KINDS[data["kind"]],) if data.get("kind") else ()}
    if data.get("first_day"):
        chosen["start"] = _midnight(data["first_day"])
    if data.get("last_day") and data["last_day"] < date.max:
        chosen["end"] = _midnight(data["last_day"] + timedelta(days=1))
    return form, chosen


def _midnight(day: date) -> datetime:
    """When a day begins where the account is: its rows are shown, and summed up, by its own days."""
    return timezone.make_aware(datetime.combine(day, time.min))


@login_required
@require_safe
def transactions_csv(request: HttpRequest) -> StreamingHttpResponse | HttpResponse:
    """Every transaction that the filters leave, newest first, written while it is read. 400 for a filter that makes no sense: a file
    that is opened somewhere else does not show that a filter was left out."""
    account = acting_account(request)
    form, chosen = filters_of(request.GET)
    if form.errors:
        wrong = " ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
        return error_page(request, 400, Problem("That filter makes no sense", f"{wrong} Choose the filters on the Billing page again."))
    response = StreamingHttpResponse(_csv(all_transactions(account.pk, **chosen)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="akashml-transactions-{timezone.now():%Y-%m-%d}.csv"'
    return response


async def _csv(lines: Iterator[Line]) -> AsyncIterator[bytes]:
    yield _rows([("id", "created_at", "kind", "amount", "balance", "note", "receipt")])
    while chunk := await sync_to_async(lambda: list(islice(lines, CSV_CHUNK)))():
        yield _rows([_row(line) for line in chunk])


def _row(line: Line) -> tuple[object, ...]:
    balance = "" if line.balance is None else usd_from_nano(line.balance)
    moment = line.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return line.id, moment, WORDS[line.kind], usd_from_nano(line.amount), balance, inert(line.note), line.receipt or ""


def inert(text: str) -> str:
    """A text that spreadsheets take for a text, not for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _rows(rows: list[tuple[object, ...]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
