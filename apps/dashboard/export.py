"""Everything that is kept about a user and their account, as one JSON document that is written while it is read.

Rows are read a page at a time by their keys: no long transaction, and no more memory for a long history than for a short one.
What came to pass while it was written may be in it or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from apps.accounts.models import Account, User
from apps.api_keys.models import ApiKey
from apps.api_keys.public_fields import key_fields
from apps.billing.models import Book, CreditPool, LedgerTransaction, Notice, Payment, PaymentMethod, Posting
from apps.budgets.models import Alert, Delivery
from apps.catalog.models import Model
from apps.dashboard import export_money as money
from apps.dashboard import export_rows as own_rows
from apps.dashboard.models import ModelRequest
from apps.playground.conversations import own
from apps.playground.exporting import conversation_line, message_line, messages_of
from apps.presets.models import Preset, PresetVersion
from apps.texts.queries import texts_of
from apps.usage.models import Inference

PAGE = 500  # rows
TEXTS = ("messages", "kept_texts")
PAGE_OF_TEXTS = 10  # which may have images of many megabytes
encoder = DjangoJSONEncoder(ensure_ascii=False)
SECTIONS: tuple[tuple[str, Callable[[User, Account], Any]], ...] = (
    ("user", own_rows.user_section),
    ("account", own_rows.account_section),
    ("sessions", own_rows.sessions_section),
    ("budget", money.budget_section),
    ("auto_topup", money.auto_topup_section),
    ("trial", money.trial_section),
    ("debt", money.debt_section),
)


async def export(user: User, account: Account) -> AsyncIterator[bytes]:
    """The document in pieces of at most PAGE rows. Amounts are US dollars as decimal strings, times ISO 8601 in UTC."""
    yield b'{"exported_at": ' + _json(timezone.now())
    for name, section in SECTIONS:
        yield _member(name) + _json(await sync_to_async(section)(user, account))
    models = await sync_to_async(lambda: dict(Model.objects.values_list("pk", "public_id")))()
    last4 = await sync_to_async(lambda: dict(ApiKey.objects.filter(account=account).values_list("pk", "last4")))()
    postings = Prefetch("postings", Posting.objects.filter(book=Book.POOL), to_attr="pool_postings")
    lists: tuple[tuple[str, QuerySet[Any], Callable[[Any], dict[str, Any]]], ...] = (
        ("api_keys", ApiKey.objects.filter(account=account), key_fields),
        ("presets", Preset.objects.filter(account=account), own_rows.preset_line),
        ("preset_versions", PresetVersion.objects.filter(preset__account=account).select_related("preset"), own_rows.preset_version_line),
        ("conversations", own(user, account), conversation_line),
        ("kept_texts", texts_of(account.pk), own_rows.kept_text_line),
        ("messages", messages_of(user, account), message_line),
        ("model_requests", ModelRequest.objects.filter(account=account), own_rows.model_request_line),
        ("budget_alerts", Alert.objects.filter(account=account), money.alert_line),
        ("budget_deliveries", Delivery.objects.filter(account=account), money.delivery_line),
        ("credit_pools", CreditPool.objects.filter(account=account), money.pool_line),
        ("payment_methods", PaymentMethod.objects.filter(account=account), money.card_line),
        ("payments", Payment.objects.filter(account=account).select_related("receipt").prefetch_related("reversals"), money.payment_line),
        ("transactions", LedgerTransaction.objects.filter(account=account).prefetch_related(postings), money.transaction_line),
        ("notices", Notice.objects.filter(account=account), money.notice_line),
        ("inferences", Inference.objects.filter(account_id=account.pk), lambda row: own_rows.inference_line(row, models, last4)),
    )
    for name, rows, line in lists:
        yield _member(name) + b"["
        first = True
        async for page in _pages(rows, PAGE_OF_TEXTS if name in TEXTS else PAGE):
            lines = b",\n".join(_json(line(row)) for row in page)
            yield lines if first else b",\n" + lines
            first = False
        yield b"]"
    yield b"}\n"


async def _pages(rows: QuerySet[Any], size: int) -> AsyncIterator[list[Any]]:
    rows = rows.order_by("pk")
    page = await _read(rows[:size])
    while page:
        yield page
        page = await _read(rows.filter(pk__gt=page[-1].pk)[:size])


@sync_to_async
def _read(rows: QuerySet[Any]) -> list[Any]:
    return list(rows)


def _json(value: Any) -> bytes:
    return encoder.encode(value).encode()


def _member(name: str) -> bytes:
    return b",\n" + _json(name) + b": "
