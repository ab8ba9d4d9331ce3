"""The management API of money: `/api/v1/credits` and `/api/v1/transactions`, both to read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from apps.api.management import DEFAULT_LIMIT, LIMIT, MOST, READING, ManagementView, answer, bounded, errors, one_of
from apps.billing import credits, debts, queries
from apps.billing.models import PoolKind, TransactionKind
from apps.core.moments import moment_from_iso
from apps.core.money import usd_from_nano, usd_or_none
from apps.gateway.errors import BadRequest

PoolName = Literal["trial", "promotion", "purchased"]
KindName = Literal["usage", "grant", "purchase", "expiry", "adjustment", "refund", "dispute", "collection"]
CURSOR = "^[0-9]{1,17}_[0-9]{1,18}_(-?[0-9]{1,18})?$"
KINDS = {kind.name.lower(): kind for kind in TransactionKind}


class Pool(msgspec.Struct, kw_only=True):
    """Credit of one origin. `remaining` is what is left, `held` what open requests may still take of it."""

    id: int
    kind: PoolName
    granted: str
    remaining: str
    held: str
    expires_at: datetime | None


class CreditInfo(msgspec.Struct, kw_only=True):
    """US dollars, exact. `available` = `balance` − `held`: what a new request may take. `pools` stand in the order in which requests
    use them. `per_day`: what usage cost a day over the last week; `days_left` at that rate, null where nothing was used."""

    balance: str
    held: str
    available: str
    debt: str
    per_day: str
    days_left: float | None
    pools: list[Pool]


class Transaction(msgspec.Struct, kw_only=True):
    """`amount`: US dollars into (positive) or out of (negative) the account's credit. `balance`: what it had afterwards; null in a
    list that leaves some out. `receipt`: the number of the payment's receipt, where there is one."""

    id: int
    kind: KindName
    amount: str
    balance: str | None
    created_at: datetime
    note: str
    receipt: int | None


class TransactionList(msgspec.Struct):
    """Newest first. `next` is the cursor of the next page, null on the last one."""

    data: list[Transaction]
    next: str | None


def moment_parameter(name: str, text: str) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string", "format": "date-time", "maxLength": 64}, description=text)


class Credits(ManagementView):
    @extend_schema(operation_id="retrieve_credits", tags=["billing"], summary="Balance", responses={200: CreditInfo, **errors(READING)})
    def get(self, request: Request) -> HttpResponse:
        """The balance, pool by pool."""
        account_id = request.auth.account.pk
        balance, burn = credits.balance(account_id), queries.burn_rate(account_id)
        pools = [
            Pool(
                id=pool.id,
                kind=PoolKind(pool.kind).name.lower(),  # type: ignore[arg-type]
                granted=usd_from_nano(pool.granted),
                remaining=usd_from_nano(pool.remaining),
                held=usd_from_nano(pool.held),
                expires_at=pool.expires_at,
            )
            for pool in balance.pools
        ]
        return answer(
            CreditInfo(
                balance=usd_from_nano(balance.remaining),
                held=usd_from_nano(balance.held),
                available=usd_from_nano(balance.available),
                debt=usd_from_nano(debts.debt_of(account_id)),
                per_day=usd_from_nano(burn.per_day),
                days_left=burn.days_left,
                pools=pools,
            )
        )


class Transactions(ManagementView):
    @extend_schema(
        operation_id="list_transactions",
        tags=["billing"],
        summary="List transactions",
        responses={200: TransactionList, **errors(READING)},
        parameters=[
            LIMIT,
            OpenApiParameter("cursor", {"type": "string", "pattern": CURSOR}, description="`next` of the page before."),
            OpenApiParameter("kind", str, enum=list(KINDS), description="Only of this kind."),
            moment_parameter("start", "From this time on, ISO 8601."),
            moment_parameter("end", "Before this time, ISO 8601."),
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        """Every movement of the account's credit, newest first."""
        query = request._request.GET
        kind = one_of(query, "kind", list(KINDS))
        chosen: dict[str, Any] = {name: _moment(query.get(name), name) for name in ("start", "end")}
        try:
            page = queries.transactions_page(
                request.auth.account.pk,
                kinds=(KINDS[kind],) if kind else (),
                cursor=query.get("cursor") or None,
                limit=bounded(query, "limit", DEFAULT_LIMIT, MOST),
                **chosen,
            )
        except ValueError:
            raise BadRequest("cursor: not one that a list gave as 'next'.", param="cursor") from None
        return answer(TransactionList([_info(line) for line in page.lines], page.next))


def _info(line: queries.Line) -> Transaction:
    return Transaction(
        id=line.id,
        kind=TransactionKind(line.kind).name.lower(),  # type: ignore[arg-type]
        amount=usd_from_nano(line.amount),
        balance=usd_or_none(line.balance),
        created_at=line.created_at,
        note=line.note,
        receipt=line.receipt,
    )


def _moment(text: str | None, name: str) -> datetime | None:
    """Raises BadRequest naming the parameter."""
    try:
        return moment_from_iso(text) if text else None
    except ValueError as error:
        raise BadRequest(f"{name}: {error}.", param=name) from None
