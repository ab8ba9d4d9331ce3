"""Trial credit: promised to who signs up, granted once the address is verified and a payment method is there where one is asked for.

Accounts that an operator makes are promised nothing: their credit is what the operator gives them.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps.accounts.models import Account, AccountStatus
from apps.accounts.queries import verified_email
from apps.billing.credits import ReferenceReused, grant_credit, lock_account
from apps.billing.models import PoolKind, Trial
from apps.billing.payment_step import payment_step
from apps.core.moments import database_now
from apps.core.money import nano_from_usd


def promise_trial(account: Account) -> None:
    """Repeating it promises nothing more. Nothing is promised where TRIAL_CREDIT_USD is 0."""
    if settings.TRIAL_CREDIT_USD:
        Trial.objects.get_or_create(account=account)


def trial_of(account: Account) -> Trial | None:
    """What was promised, with the pool it became, or None."""
    return Trial.objects.select_related("pool").filter(account=account).first()


def grant_due_trial(account: Account) -> Trial | None:
    """Grants what was promised if it is due and was not granted before; returns what `trial_of` would.

    Once for each account and each address, whichever account had the address: a promise that was kept elsewhere is void.
    """
    trial = trial_of(account)
    email = verified_email(account)
    if trial is None or trial.pool is not None or email is None or account.status != AccountStatus.ACTIVE:
        return trial
    if not payment_step(account.pk).satisfied:
        return trial
    try:
        return _grant(trial, email)
    except ReferenceReused:
        trial.delete()
        return None


@transaction.atomic
def _grant(trial: Trial, email: str) -> Trial:
    lock_account(trial.account_id)
    trial.refresh_from_db()
    if trial.pool_id is None:
        expires_at = database_now() + timedelta(days=settings.TRIAL_CREDIT_DAYS) if settings.TRIAL_CREDIT_DAYS else None
        amount, reference = nano_from_usd(settings.TRIAL_CREDIT_USD), f"trial:{_digest(email)}"
        grant = grant_credit(trial.account_id, amount, PoolKind.TRIAL, reference, expires_at=expires_at, note="trial credit")
        Trial.objects.filter(pk=trial.pk).update(pool_id=grant.pool_id)
        trial.refresh_from_db()
    return trial


def _digest(email: str) -> str:
    """Stands for an address in the ledger, which outlives the account and must not name anybody."""
    return hmac.digest(settings.KEY_PEPPER.encode(), f"trial:{email.lower()}".encode(), "sha256").hex()
