"""The management API of the monthly budget and its webhook: `/api/v1/budget/…`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from apps.accounts.models import Account
from apps.api.management import (
    DEFAULT_LIMIT,
    LIMIT,
    MOST,
    READING,
    WRITING,
    Conflict,
    ManagementView,
    NotFound,
    answer,
    as_bad_request,
    body_of,
    bounded,
    errors,
)
from apps.budgets import actions
from apps.budgets.actions import MOST_PERCENT, MOST_THRESHOLDS
from apps.budgets.models import LONGEST_URL, Budget, Delivery
from apps.budgets.queries import budget_of, deliveries_of
from apps.budgets.watch import spent_this_month
from apps.core.money import usd_from_nano
from apps.gateway.errors import BadRequest

Percent = Annotated[int, msgspec.Meta(ge=1, le=MOST_PERCENT)]
Dollars = Annotated[str, msgspec.Meta(min_length=1, max_length=16, description="US dollars, whole cents, such as 250 or 99.50.")]
Url = Annotated[str, msgspec.Meta(max_length=LONGEST_URL)]


class BudgetChange(msgspec.Struct, forbid_unknown_fields=True):
    """The whole budget: a field that is left out has its usual value. Without a `webhook_url` there is no webhook, and its secret is gone."""

    amount: Dollars
    thresholds: Annotated[list[Percent], msgspec.Meta(min_length=1, max_length=MOST_THRESHOLDS)] = msgspec.field(
        default_factory=lambda: [50, 80, 100]
    )
    mail: bool = True
    webhook_url: Url | None = None


class BudgetInfo(msgspec.Struct, kw_only=True):
    """`amount` is for a calendar month of `time_zone`, the account's; `spent` is what this month was charged so far. `month` is such as
    2026-11. `webhook_secret` is there once: in the answer to the call that made it."""

    amount: str
    thresholds: list[int]
    mail: bool
    webhook_url: str | None
    webhook_secret: str | None = None
    spent: str
    month: str
    time_zone: str
    updated_at: datetime


class WebhookSecret(msgspec.Struct):
    """Shown once."""

    webhook_secret: str


class DeliveryInfo(msgspec.Struct, kw_only=True):
    """A webhook. `delivered` is null while it is tried, then whether it was taken; `outcome` is of the last attempt."""

    id: UUID
    event: str
    created_at: datetime
    attempts: int
    delivered: bool | None
    outcome: str
    next_attempt_at: datetime | None


class DeliveryList(msgspec.Struct):
    """`next` is the cursor of the next page, null on the last one."""

    data: list[DeliveryInfo]
    next: UUID | None


decode_change = msgspec.json.Decoder(BudgetChange)


class OneBudget(ManagementView):
    @extend_schema(
        operation_id="retrieve_budget", tags=["budget"], summary="Retrieve the budget", responses={200: BudgetInfo, **errors(READING)}
    )
    def get(self, request: Request) -> HttpResponse:
        """With what the current month was charged so far. 404 without a budget."""
        return answer(_info(request.auth.account, _budget(request)))

    @extend_schema(
        operation_id="set_budget",
        tags=["budget"],
        summary="Set the budget",
        request={"application/json": BudgetChange},
        responses={200: BudgetInfo, **errors(WRITING)},
    )
    def put(self, request: Request) -> HttpResponse:
        """Whoever reaches a threshold is told by mail and webhook; nothing is stopped. With its first address the webhook gets its secret."""
        wanted, account = body_of(request, decode_change), request.auth.account
        try:
            made = actions.configure(
                account,
                amount=wanted.amount,
                thresholds=wanted.thresholds,
                by_mail=wanted.mail,
                webhook_url=wanted.webhook_url or "",
            )
        except ValidationError as error:
            raise _named(error) from None
        return answer(_info(account, made.budget, made.secret))

    @extend_schema(
        operation_id="delete_budget", tags=["budget"], summary="Delete the budget", responses={200: BudgetInfo, **errors(WRITING)}
    )
    def delete(self, request: Request) -> HttpResponse:
        """With its webhook and the log of that. The answer is the budget as it was."""
        last = _info(request.auth.account, _budget(request))
        actions.remove(request.auth.account.pk)
        return answer(last)


class RotateSecret(ManagementView):
    @extend_schema(
        operation_id="rotate_budget_webhook_secret",
        tags=["budget"],
        summary="Replace the webhook's secret",
        request=None,
        responses={200: WebhookSecret, **errors(WRITING)},
    )
    def post(self, request: Request) -> HttpResponse:
        """The new one signs from now on, repeated attempts too. 404 without a webhook."""
        try:
            return answer(WebhookSecret(actions.rotate_secret(request.auth.account.pk)))
        except Budget.DoesNotExist:
            raise _no_webhook() from None


class SendTest(ManagementView):
    @extend_schema(
        operation_id="test_budget_webhook",
        tags=["budget"],
        summary="Send a test webhook",
        request=None,
        responses={201: DeliveryInfo, **errors(WRITING)},
    )
    def post(self, request: Request) -> HttpResponse:
        """It is sent within seconds, once; the list of deliveries says how it went. 404 without a webhook."""
        try:
            return answer(_delivery(actions.send_test(request.auth.account.pk)), status=201)
        except Budget.DoesNotExist:
            raise _no_webhook() from None
        except actions.TooManyTests as error:
            raise Conflict(f"{error.messages[0]}.", code="too_many_tests") from None


class Deliveries(ManagementView):
    @extend_schema(
        operation_id="list_budget_webhook_deliveries",
        tags=["budget"],
        summary="List webhooks that were sent",
        parameters=[LIMIT, OpenApiParameter("cursor", OpenApiTypes.UUID, description="`next` of the page before.")],
        responses={200: DeliveryList, **errors(READING)},
    )
    def get(self, request: Request) -> HttpResponse:
        """Newest first; kept for 30 days."""
        query, rows = request._request.GET, deliveries_of(request.auth.account.pk)
        limit = bounded(query, "limit", DEFAULT_LIMIT, MOST)
        if cursor := query.get("cursor"):
            try:
                rows = rows.filter(pk__lt=UUID(cursor))
            except ValueError:
                raise BadRequest("cursor: not one that a list gave as 'next'.", param="cursor") from None
        found = list(rows[: limit + 1])
        return answer(DeliveryList([_delivery(row) for row in found[:limit]], found[limit - 1].pk if len(found) > limit else None))


def _budget(request: Request) -> Budget:
    budget = budget_of(request.auth.account.pk)
    if budget is None:
        raise NotFound("This account has no budget.", code="budget_not_found")
    return budget


def _no_webhook() -> NotFound:
    return NotFound("This account's budget has no webhook: set its 'webhook_url' first.", code="webhook_not_found")


def _named(error: ValidationError) -> BadRequest:
    """An action's complaint by the name that the field has here."""
    complaint = as_bad_request(error)
    if complaint.param == "by_mail":
        return BadRequest(complaint.message.replace("by_mail", "mail", 1), param="mail")
    return complaint


def _info(account: Account, budget: Budget, secret: str = "") -> BudgetInfo:
    spent = spent_this_month(account)
    return BudgetInfo(
        amount=usd_from_nano(budget.amount),
        thresholds=budget.thresholds,
        mail=budget.by_mail,
        webhook_url=budget.webhook_url or None,
        webhook_secret=secret or None,
        spent=usd_from_nano(spent.amount),
        month=f"{spent.first_day:%Y-%m}",
        time_zone=spent.month.zone.key,
        updated_at=budget.updated_at,
    )


def _delivery(row: Delivery) -> DeliveryInfo:
    return DeliveryInfo(
        id=row.pk,
        event=row.event,
        created_at=row.created_at,
        attempts=row.attempts,
        delivered=row.delivered if row.ended_at else None,
        outcome=row.outcome,
        next_attempt_at=None if row.ended_at else row.next_try_at,
    )
