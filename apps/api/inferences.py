"""The management API of the inference log: `/api/v1/inferences/…`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from apps.accounts.models import Account
from apps.api import usage_query as ask
from apps.api.management import DEFAULT_LIMIT, MOST, READING, ManagementView, NotFound, answer, bounded, errors, operation
from apps.api.usage_query import FILTERS, KeyName
from apps.billing.models import PoolKind
from apps.core.ids import uuid7_time
from apps.core.money import usd_from_nano, usd_per_token_from_pico
from apps.gateway.errors import BadRequest
from apps.gateway.receipts import receipt
from apps.texts.actions import delete_one
from apps.texts.queries import text_of
from apps.texts.sealing import unseal
from apps.usage import log
from apps.usage.log import LogFilters
from apps.usage.models import Inference as Row
from apps.usage.public_fields import inference_fields


class InferenceInfo(msgspec.Struct, kw_only=True):
    """A request that has ended. `created_at` is when it arrived, `settled_at` when it was charged. `cost` is what its tokens come to,
    `charged` what was taken from the credit: as much, unless the platform wrote some off. Both in US dollars; times in milliseconds from its
    arrival. `estimated`: tokens were counted by us, since the model's server did not say."""

    id: UUID
    created_at: datetime
    settled_at: datetime
    model: str | None
    key: KeyName | None
    dialect: str
    streaming: bool
    status: str
    http_status: int
    finish_reason: str
    error_code: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost: str
    charged: str
    queue_ms: int
    first_token_ms: int | None
    total_ms: int


class PriceInfo(msgspec.Struct):
    """The price that was pinned when the request was admitted: US dollars per token, and per request."""

    id: int
    effective_from: datetime
    input: str
    cached_input: str
    output: str
    request: str


class CostLine(msgspec.Struct):
    """`quantity` × `price` = `amount`, in US dollars, exact."""

    item: str
    quantity: int
    price: str
    amount: str


class PoolPayment(msgspec.Struct):
    """What came out of which credit, in US dollars."""

    pool: int
    kind: str
    amount: str


class InferenceDetail(InferenceInfo, kw_only=True):
    """With the arithmetic of its cost: `lines` add up to `cost`, `payments` to `charged`. `price` is null where its model was
    deleted. `who_pays` is the rule for such an end. Prompts and answers are at `/content`, where the account keeps them."""

    price: PriceInfo | None
    lines: list[CostLine]
    payments: list[PoolPayment]
    who_pays: str
    tokens_per_second: float | None


class InferenceContent(msgspec.Struct, kw_only=True):
    """`request` is the body as it was sent; `answer` is JSON too, of a stream the whole answer that it would have been. Both are null where
    they cannot be decrypted any more. `…_cut`: there was more of it than is kept of one request."""

    inference: UUID
    request: str | None
    request_cut: bool
    answer: str | None
    answer_cut: bool
    kept_at: datetime
    expires_at: datetime


class InferenceList(msgspec.Struct):
    """`next` is the cursor of the next page, null where the log ends. With filters a page can be short and have a next one: it has looked
    through as many requests as one page may."""

    data: list[InferenceInfo]
    next: UUID | None


class Inferences(ManagementView):
    @extend_schema(
        operation_id="list_inferences",
        tags=["usage"],
        summary="List inferences",
        parameters=[
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}, description="Rows of a page."),
            OpenApiParameter("cursor", OpenApiTypes.UUID, description="`next` of the page before."),
            OpenApiParameter("start", OpenApiTypes.DATETIME, description="Arrived at this moment or later; ISO 8601."),
            OpenApiParameter("end", OpenApiTypes.DATETIME, description="Arrived before."),
            OpenApiParameter("streaming", OpenApiTypes.BOOL, description="Only streams, or only whole answers."),
            OpenApiParameter("min_charged", OpenApiTypes.STR, description="Charged as much or more, in US dollars."),
            OpenApiParameter("max_charged", OpenApiTypes.STR, description="Charged as much or less, in US dollars."),
            OpenApiParameter("min_total_ms", {"type": "integer", "minimum": 0}, description="Took as long or longer, in milliseconds."),
            OpenApiParameter("max_total_ms", {"type": "integer", "minimum": 0}, description="Took as long or shorter."),
            OpenApiParameter("min_first_token_ms", {"type": "integer", "minimum": 0}, description="As long or longer to the first token."),
            OpenApiParameter("max_first_token_ms", {"type": "integer", "minimum": 0}, description="As long or shorter to the first token."),
            *FILTERS,
        ],
        responses={200: InferenceList, **errors(READING)},
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponse:
        """The log of the account, newest first."""
        query, account = request._request.GET, request.auth.account
        filters = LogFilters(
            ask.models_of(query),
            ask.keys_of(query),
            ask.statuses_of(query),
            ask.dialects_of(query),
            ask.flag(query, "streaming"),
            ask.moment_of(query, "start"),
            ask.moment_of(query, "end"),
            ask.amount(query, "min_charged"),
            ask.amount(query, "max_charged"),
            ask.whole_number(query, "min_total_ms"),
            ask.whole_number(query, "max_total_ms"),
            ask.whole_number(query, "min_first_token_ms"),
            ask.whole_number(query, "max_first_token_ms"),
        )
        page = log.page(account.pk, filters, bounded(query, "limit", DEFAULT_LIMIT, MOST), _cursor(query.get("cursor")))
        models = ask.model_names(row.model_id for row in page.rows)
        keys = ask.key_names(account, (row.api_key_id for row in page.rows))
        return answer(InferenceList([InferenceInfo(**_fields(row, models.get(row.model_id), keys)) for row in page.rows], page.next))


class Inference(ManagementView):
    @extend_schema(
        operation_id="retrieve_inference",
        tags=["usage"],
        summary="Retrieve an inference",
        responses={200: InferenceDetail, **errors(READING)},
    )
    def get(self, request: Request, inference_id: UUID) -> HttpResponse:
        """By the id that came in the header `Inference-Id`: what it cost, why, and which credit paid."""
        found = receipt(request.auth.account.pk, inference_id)
        if found is None:
            raise NotFound(f"There is no inference with the id {inference_id}.", code="inference_not_found")
        price = found.price
        cached = price.cached_input_pico if price and price.cached_input_pico is not None else price and price.input_pico
        keys = ask.key_names(request.auth.account, [found.inference.api_key_id])
        return answer(
            InferenceDetail(
                **_fields(found.inference, found.model.public_id if found.model else None, keys),
                price=PriceInfo(
                    price.pk, price.effective_from, *(usd_per_token_from_pico(pico or 0) for pico in (price.input_pico, cached, price.output_pico, price.request_pico))
                ) if price else None,
                lines=[CostLine(line.item, line.quantity, usd_per_token_from_pico(line.price_pico), usd_per_token_from_pico(line.amount_pico)) for line in found.lines],
                payments=[PoolPayment(payment.pool.pk, PoolKind(payment.pool.kind).name.lower(), usd_from_nano(payment.amount)) for payment in found.payments],
                who_pays=found.rule,
                tokens_per_second=None if found.tokens_per_second is None else round(found.tokens_per_second, 2),
            )
        )  # fmt: skip


class Content(ManagementView):
    @operation("usage", "retrieve_inference_content", "Retrieve prompt and answer", InferenceContent, reads=True)
    def get(self, request: Request, inference_id: UUID) -> HttpResponse:
        """Of accounts that chose to keep them, for as many days as they chose. 404 where nothing is kept."""
        return answer(_content(request.auth.account, inference_id))

    @operation("usage", "delete_inference_content", "Delete prompt and answer", InferenceContent)
    def delete(self, request: Request, inference_id: UUID) -> HttpResponse:
        """The figures of the inference stay. The answer is the content as it was."""
        last = _content(request.auth.account, inference_id)
        delete_one(request.auth.account.pk, inference_id)
        return answer(last)


def _content(account: Account, inference_id: UUID) -> InferenceContent:
    row = text_of(account.pk, inference_id)
    if row is None:
        raise NotFound(f"Of the inference {inference_id} no prompt and answer are kept.", code="content_not_kept")
    text = unseal(row.sealed)
    return InferenceContent(
        inference=row.pk,
        request=text.request if text else None,
        request_cut=bool(text and text.request_cut),
        answer=text.answer if text else None,
        answer_cut=bool(text and text.answer_cut),
        kept_at=row.kept_at,
        expires_at=row.expires_at,
    )


def _cursor(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        cursor = UUID(text)
        uuid7_time(cursor)
    except ValueError:
        raise BadRequest("cursor: not one that a list gave as 'next'.", param="cursor") from None
    return cursor


def _fields(row: Row, model: str | None, keys: dict[int, KeyName]) -> dict[str, Any]:
    return {**inference_fields(row), "created_at": uuid7_time(row.id), "model": model, "key": keys.get(row.api_key_id or 0)}
