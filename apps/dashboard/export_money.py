"""What an account has to do with money, as it stands in its owner's export: US dollars as decimal strings, fields as in the management API."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import Account, User
from apps.billing.mails import AMOUNTS
from apps.billing.models import (
    AutoTopup,
    CreditPool,
    Debt,
    Notice,
    Payment,
    PaymentMethod,
    PaymentStatus,
    PoolKind,
    Purpose,
    Reversal,
    ReversalKind,
    TransactionKind,
    Trial,
)
from apps.budgets.models import Alert, Delivery
from apps.budgets.queries import budget_of
from apps.core.money import usd_from_nano


def budget_section(user: User, account: Account) -> dict[str, Any] | None:
    budget = budget_of(account.pk)
    if budget is None:
        return None
    return {
        "amount": usd_from_nano(budget.amount),
        "thresholds": budget.thresholds,
        "mail": budget.by_mail,
        "webhook_url": budget.webhook_url or None,
        "created_at": budget.created_at,
        "updated_at": budget.updated_at,
    }


def auto_topup_section(user: User, account: Account) -> dict[str, Any] | None:
    row = AutoTopup.objects.filter(account=account).first()
    if row is None:
        return None
    return {
        "enabled": row.enabled,
        "threshold": usd_from_nano(row.threshold),
        "amount": usd_from_nano(row.amount),
        "monthly_cap": usd_from_nano(row.monthly_cap),
        "paused_at": row.paused_at,
        "pause_reason": row.pause_reason or None,
        "updated_at": row.updated_at,
    }


def debt_section(user: User, account: Account) -> dict[str, Any] | None:
    row = Debt.objects.filter(account=account).first()
    return None if row is None else {"amount": usd_from_nano(row.amount), "suspended": row.suspended, "since": row.since}


def trial_section(user: User, account: Account) -> dict[str, Any] | None:
    row = Trial.objects.filter(account=account).select_related("pool").first()
    if row is None:
        return None
    return {
        "promised_at": row.promised_at,
        "granted_at": row.pool.created_at if row.pool else None,
        "amount": usd_from_nano(row.pool.granted) if row.pool else None,
        "credit_pool": row.pool_id,
    }


def alert_line(row: Alert) -> dict[str, Any]:
    return {
        "month": f"{row.month:%Y-%m}",
        "threshold_percent": row.percent,
        "budget": usd_from_nano(row.amount),
        "spent": usd_from_nano(row.spent),
        "created_at": row.created_at,
    }


def pool_line(row: CreditPool) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": PoolKind(row.kind).name.lower(),
        "granted": usd_from_nano(row.granted),
        "remaining": usd_from_nano(row.remaining),
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def card_line(row: PaymentMethod) -> dict[str, Any]:
    return {
        "card": str(row),
        "expires": f"{row.exp_year}-{row.exp_month:02d}",
        "is_default": row.is_default,
        "created_at": row.created_at,
        "removed_at": row.removed_at,
    }


def payment_line(row: Payment) -> dict[str, Any]:
    receipt = getattr(row, "receipt", None)
    return {
        "id": row.pk,
        "purpose": Purpose(row.purpose).name.lower(),
        "status": PaymentStatus(row.status).name.lower(),
        "amount": usd_from_nano(row.amount),
        "paid_with": row.paid_with,
        "receipt": receipt.invoice_number if receipt else None,
        "billed_to": receipt.bill_to if receipt else None,
        "failure": row.failure_code or None,
        "reversals": [_reversal(one) for one in row.reversals.all()],
        "created_at": row.created_at,
        "concluded_at": row.concluded_at,
    }


def _reversal(row: Reversal) -> dict[str, Any]:
    """Money that went back; `taken` is what of it the credit lost for it until now."""
    return {
        "kind": ReversalKind(row.kind).name.lower(),
        "amount": usd_from_nano(row.amount),
        "taken": usd_from_nano(row.booked),
        "created_at": row.created_at,
    }


def transaction_line(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": TransactionKind(row.kind).name.lower(),
        "amount": usd_from_nano(sum(posting.amount for posting in row.pool_postings)),
        "pools": {str(posting.pool_id): usd_from_nano(posting.amount) for posting in row.pool_postings},
        "note": row.note,
        "created_at": row.created_at,
    }


def notice_line(row: Notice) -> dict[str, Any]:
    """A mail about money."""
    about = {name: usd_from_nano(value) if name in AMOUNTS else value for name, value in row.facts.items()}
    return {"kind": row.kind, "about": about, "created_at": row.created_at, "sent_at": row.sent_at}


def delivery_line(row: Delivery) -> dict[str, Any]:
    """A webhook of the budget."""
    return {
        "id": row.pk,
        "event": row.event,
        "body": row.body,
        "attempts": row.attempts,
        "delivered": row.delivered if row.ended_at else None,
        "outcome": row.outcome,
        "created_at": row.created_at,
    }
