"""Everything that is kept about a user and their account, as one JSON document that is written while it is read.

Rows are read a page at a time by their keys: no long transaction, and no more memory for a long history than for a short one.
What came to pass while it was written may be in it or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Prefetch, QuerySet
from django.forms.models import model_to_dict
from django.utils import timezone

from apps.accounts.models import Account, User
from apps.accounts.queries import sessions_of
from apps.accounts.user_agents import describe
from apps.api_keys.models import ApiKey, Scope
from apps.billing.models import Book, CreditPool, LedgerTransaction, Payment, PaymentMethod, PoolKind, Posting, TransactionKind
from apps.billing.receipts import FIELDS, details_of
from apps.budgets.models import Alert
from apps.budgets.queries import budget_of
from apps.catalog.models import Model
from apps.core.money import usd_from_nano
from apps.playground.conversations import own
from apps.playground.exporting import conversation_line, message_line, messages_of
from apps.presets.models import Content, Preset, PresetVersion
from apps.usage.models import Dialect, Inference, Status

PAGE = 500  # rows
PAGE_OF_MESSAGES = 10  # which may have images of many megabytes
encoder = DjangoJSONEncoder(ensure_ascii=False)


async def export(user: User, account: Account) -> AsyncIterator[bytes]:
    """The document in pieces of at most PAGE rows. Amounts are US dollars as decimal strings, times ISO 8601 in UTC."""
    yield b'{"exported_at": ' + _json(timezone.now())
    for name, section in (("user", _user), ("account", _account), ("budget", _budget), ("sessions", _sessions)):
        yield _member(name) + _json(await sync_to_async(section)(user, account))
    names = await sync_to_async(lambda: dict(Model.objects.values_list("pk", "public_id")))()
    last4 = await sync_to_async(lambda: dict(ApiKey.objects.filter(account=account).values_list("pk", "last4")))()
    postings = Prefetch("postings", Posting.objects.filter(book=Book.POOL), to_attr="pool_postings")
    lists: tuple[tuple[str, QuerySet[Any], Callable[[Any], dict[str, Any]]], ...] = (
        ("api_keys", ApiKey.objects.filter(account=account), _key),
        ("presets", Preset.objects.filter(account=account), _preset),
        ("preset_versions", PresetVersion.objects.filter(preset__account=account).select_related("preset"), _preset_version),
        ("conversations", own(user, account), conversation_line),
        ("messages", messages_of(user, account), message_line),
        ("budget_alerts", Alert.objects.filter(account=account), _alert),
        ("credit_pools", CreditPool.objects.filter(account=account), _pool),
        ("payment_methods", PaymentMethod.objects.filter(account=account), _card),
        ("payments", Payment.objects.filter(account=account).select_related("receipt").prefetch_related("reversals"), _payment),
        ("ledger", LedgerTransaction.objects.filter(account=account).prefetch_related(postings), _transaction),
        ("inferences", Inference.objects.filter(account_id=account.pk), lambda row: _inference(row, names, last4)),
    )
    for name, rows, line in lists:
        yield _member(name) + b"["
        first = True
        async for page in _pages(rows, PAGE_OF_MESSAGES if name == "messages" else PAGE):
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


def _user(user: User, account: Account) -> dict[str, Any]:
    connections = SocialAccount.objects.filter(user=user).order_by("pk")
    factors = Authenticator.objects.filter(user=user).order_by("pk")
    return {
        "email": user.email,
        "name": user.name,
        "joined_at": user.date_joined,
        "last_login_at": user.last_login,
        "connected_accounts": [{"provider": one.provider, "uid": one.uid, "profile": one.extra_data} for one in connections],
        "second_factors": [
            {"type": one.get_type_display(), "added_at": one.created_at, "last_used_at": one.last_used_at} for one in factors
        ],
    }


def _account(user: User, account: Account) -> dict[str, Any]:
    return {
        "id": account.pk,
        "name": account.name,
        "status": account.get_status_display(),
        "time_zone": account.time_zone,
        "billing_details": model_to_dict(details_of(account), FIELDS),
        "created_at": account.created_at,
    }


def _budget(user: User, account: Account) -> dict[str, Any] | None:
    budget = budget_of(account.pk)
    if budget is None:
        return None
    return {
        "amount": usd_from_nano(budget.amount),
        "thresholds": budget.thresholds,
        "by_mail": budget.by_mail,
        "webhook_url": budget.webhook_url,
        "created_at": budget.created_at,
    }


def _alert(row: Alert) -> dict[str, Any]:
    return {
        "month": f"{row.month:%Y-%m}",
        "threshold_percent": row.percent,
        "budget": usd_from_nano(row.amount),
        "spent": usd_from_nano(row.spent),
        "noticed_at": row.created_at,
    }


def _sessions(user: User, account: Account) -> list[dict[str, Any]]:
    return [
        {"device": describe(one.user_agent), "address": one.address, "created_at": one.created_at, "last_seen_at": one.last_seen_at}
        for one in sessions_of(user)
    ]


def _key(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "last4": row.last4,
        "scope": Scope(row.scope).label,
        "requests_per_minute": row.rpm,
        "tokens_per_minute": row.tpm,
        "max_concurrent": row.max_concurrent,
        "spend_limit_day_nano_usd": row.spend_limit_day,
        "spend_limit_month_nano_usd": row.spend_limit_month,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "created_at": row.created_at,
    }


def _preset(row: Preset) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "default": row.is_default,
        "version": row.version,
        **_content(row),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _preset_version(row: PresetVersion) -> dict[str, Any]:
    return {"preset": row.preset.slug, "version": row.version, **_content(row), "replaced_at": row.replaced_at}


def _content(row: Content) -> dict[str, Any]:
    return {"model": row.model, "parameters": row.fields, "system_prompt": row.system_prompt}


def _pool(row: CreditPool) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": PoolKind(row.kind).label,
        "granted": usd_from_nano(row.granted),
        "remaining": usd_from_nano(row.remaining),
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def _card(row: PaymentMethod) -> dict[str, Any]:
    return {
        "card": str(row),
        "expires": f"{row.exp_year}-{row.exp_month:02d}",
        "default": row.is_default,
        "added_at": row.created_at,
        "removed_at": row.removed_at,
    }


def _payment(row: Payment) -> dict[str, Any]:
    receipt = getattr(row, "receipt", None)
    return {
        "id": row.pk,
        "purpose": row.get_purpose_display(),
        "status": row.get_status_display(),
        "amount": usd_from_nano(row.amount),
        "paid_with": row.paid_with,
        "receipt": receipt.invoice_number if receipt else None,
        "billed_to": receipt.bill_to if receipt else None,
        "returned": usd_from_nano(sum(one.booked for one in row.reversals.all())),
        "created_at": row.created_at,
    }


def _transaction(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": TransactionKind(row.kind).label,
        "amount": usd_from_nano(sum(posting.amount for posting in row.pool_postings)),
        "pools": {str(posting.pool_id): usd_from_nano(posting.amount) for posting in row.pool_postings},
        "created_at": row.created_at,
    }


def _inference(row: Inference, names: dict[int, str], last4: dict[int, str]) -> dict[str, Any]:
    return {
        "id": row.pk,
        "model": names.get(row.model_id),
        "api_key_last4": last4.get(row.api_key_id) if row.api_key_id else None,
        "dialect": Dialect(row.dialect).label,
        "status": Status(row.status).label,
        "http_status": row.http_status,
        "prompt_tokens": row.prompt_tokens,
        "cached_tokens": row.cached_tokens,
        "completion_tokens": row.completion_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "cost": usd_from_nano(row.cost),
        "charged": usd_from_nano(row.charged),
        "admitted_at": row.admitted_at,
        "settled_at": row.settled_at,
    }
