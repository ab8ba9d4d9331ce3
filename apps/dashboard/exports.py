"""The log and the sums of it as files, written while they are read: a page of rows in memory at a time, however long the history is.

Fields are called as in the management API (docs/decisions/0046). Amounts are US dollars as decimal strings, times ISO 8601 in UTC.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.text import Truncator
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account
from apps.accounts.models import Account
from apps.api_keys.models import ApiKey
from apps.catalog.models import Model
from apps.core.moments import database_now
from apps.core.money import usd_from_nano
from apps.dashboard.errors import Problem, error_page
from apps.dashboard.group_names import names_of
from apps.dashboard.log_filters import LogForm
from apps.dashboard.usage_page import zone_of
from apps.dashboard.usage_range import RangeForm
from apps.usage import figures, log
from apps.usage.log import LogFilters
from apps.usage.models import Dialect, Inference, Status

CHUNK = 1_000  # rows
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
# What spreadsheets take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

LOG_COLUMNS = (
    "id",
    "created_at",
    "settled_at",
    "model",
    "key",
    "key_last4",
    "dialect",
    "streaming",
    "status",
    "http_status",
    "finish_reason",
    "error_code",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "estimated",
    "cost",
    "charged",
    "queue_ms",
    "first_token_ms",
    "total_ms",
)
MOST_SHOWN = 160  # characters of what was refused, on a page
SUM_COLUMNS = (
    "start",
    "group",
    "requests",
    "errors",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost",
    "charged",
)


@login_required
@require_safe
def export_log(request: HttpRequest) -> HttpResponseBase:
    """`/inferences/export?format=csv|json` with the filters of the list."""
    account = acting_account(request)
    form = LogForm(request.GET, account)
    if not form.is_valid():
        return refused(request, form)
    above, below = form.id_bounds
    return as_file(request, "inferences", LOG_COLUMNS, _log_rows(account, form.filters, above, below))


@login_required
@require_safe
def export_usage(request: HttpRequest) -> HttpResponseBase:
    """`/usage/export?format=csv|json` with the range and grouping of the page: a row for each point and group."""
    account = acting_account(request)
    form = RangeForm(request.GET, zone_of(request), database_now())
    if not form.is_valid():
        return refused(request, form)
    series = figures.series(account.pk, form.of, form.of.usual_bucket, form.group)
    names = names_of(account, form.group, series.totals)
    rows = [
        (
            _time(start),
            names[value].full,
            sums.requests,
            sums.errors,
            sums.prompt_tokens,
            sums.cached_tokens,
            sums.completion_tokens,
            sums.reasoning_tokens,
            usd_from_nano(sums.cost),
            usd_from_nano(sums.charged),
        )
        for number, start in enumerate(series.starts)
        for value, points in series.groups.items()
        if (sums := points[number]).requests
    ]
    return as_file(request, "usage", SUM_COLUMNS, _once(rows))


def refused(request: HttpRequest, form: forms.Form) -> HttpResponse:
    """Which parameters are wrong, a line for each."""
    return _refusal(request, [f"{name}: {error}" for name, errors in form.errors.items() for error in errors], 422)


def _refusal(request: HttpRequest, lines: Sequence[str], status: int) -> HttpResponse:
    """A page for a browser, plain lines for a program."""
    if "text/html" in request.headers.get("Accept", ""):
        text = f"Go back and choose other filters. {' '.join(Truncator(line).chars(MOST_SHOWN) for line in lines)}"
        return error_page(request, status, Problem("This export cannot be made", text))
    return HttpResponse("".join(f"{line}\n" for line in lines), status=status, content_type="text/plain; charset=utf-8")


def as_file(request: HttpRequest, name: str, columns: Sequence[str], chunks: AsyncIterator[Sequence[Sequence[Any]]]) -> HttpResponseBase:
    """The chunks of rows as a download; 400 for a format that is none."""
    wanted = request.GET.get("format", "csv")
    if wanted not in TYPES:
        return _refusal(request, ["format: choose csv or json"], 400)
    write = csv_lines if wanted == "csv" else json_lines
    headers = {
        "Content-Disposition": f'attachment; filename="akashml-{name}-{timezone.now():%Y-%m-%d}.{wanted}"',
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(write(columns, chunks), content_type=TYPES[wanted], headers=headers)


async def csv_lines(columns: Sequence[str], chunks: AsyncIterator[Sequence[Sequence[Any]]]) -> AsyncIterator[bytes]:
    yield _csv([columns])
    async for rows in chunks:
        yield _csv([[_cell(value) for value in row] for row in rows])


async def json_lines(columns: Sequence[str], chunks: AsyncIterator[Sequence[Sequence[Any]]]) -> AsyncIterator[bytes]:
    """One list of objects, one to a line."""
    yield b"["
    first = True
    async for rows in chunks:
        lines = ",\n".join(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows)
        if lines:
            yield (lines if first else f",\n{lines}").encode()
            first = False
    yield b"]\n"


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A text that no spreadsheet calculates."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


async def _once(rows: Sequence[Sequence[Any]]) -> AsyncIterator[Sequence[Sequence[Any]]]:
    yield rows


async def _log_rows(
    account: Account, filters: LogFilters, above: UUID | None, below: UUID | None
) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """Newest first, in chunks; what arrives meanwhile is left out."""
    models = await sync_to_async(lambda: dict(Model.objects.values_list("pk", "public_id")))()
    keys = await sync_to_async(lambda: {key.pk: key for key in ApiKey.objects.filter(account=account)})()
    line: Callable[[Inference], Sequence[Any]] = lambda row: _line(row, models, keys)  # noqa: E731
    while True:
        found = await sync_to_async(log.page)(account.pk, filters, CHUNK, below, above)
        yield [line(row) for row in found.rows]
        if found.next is None:
            return
        below = found.next


def _line(row: Inference, models: dict[int, str], keys: dict[int, ApiKey]) -> Sequence[Any]:
    key = keys.get(row.api_key_id or 0)
    return (
        str(row.pk),
        _time(row.admitted_at),
        _time(row.settled_at),
        models.get(row.model_id),
        key.name if key else None,
        key.last4 if key else None,
        Dialect(row.dialect).name.lower(),
        row.streamed,
        Status(row.status).name.lower(),
        row.http_status,
        row.finish_reason,
        row.error_code,
        row.prompt_tokens,
        row.cached_tokens,
        row.completion_tokens,
        row.reasoning_tokens,
        row.estimated,
        usd_from_nano(row.cost),
        usd_from_nano(row.charged),
        row.queue_ms,
        row.first_token_ms,
        row.total_ms,
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
