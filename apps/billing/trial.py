"""Trial credit: promised to who signs up, granted once the address is verified and a payment method is there where one is asked for.

Accounts that an operator makes are promised nothing: their credit is what the operator gives them.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.models import Account, AccountStatus
from apps.accounts.queries import verified_email
from apps.billing.credits import ReferenceReused, grant_credit, lock_account
from apps.billing.models import PaymentMethod, PoolKind, Trial
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

    Once for each account and each address, whichever account had the address: a promise that was kept elsewhere is void. Where a
    payment method is asked for, once for each card too: a card that was used elsewhere leaves the promise open for another card.
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
    except IntegrityError:
        return trial_of(account)  # another account took the card between our look and our update


def card_was_used_elsewhere(account: Account) -> bool:
    """Why the trial credit has not come although there is a card: each brought another account its own, or cannot be told from others."""
    trial = trial_of(account)
    has_card = PaymentMethod.objects.filter(account=account, removed_at=None).exists()
    cards = [_card_digest(fingerprint) for fingerprint in _fingerprints(account.pk)]
    return trial is not None and trial.pool is None and has_card and _unused(cards) is None


@transaction.atomic
def _grant(trial: Trial, email: str) -> Trial:
    lock_account(trial.account_id)
    trial.refresh_from_db()
    card = None
    if payment_step(trial.account_id).offered:
        card = _unused([_card_digest(fingerprint) for fingerprint in _fingerprints(trial.account_id)])
        if card is None:
            return trial
    if trial.pool_id is None:
        expires_at = database_now() + timedelta(days=settings.TRIAL_CREDIT_DAYS) if settings.TRIAL_CREDIT_DAYS else None
        amount, reference = nano_from_usd(settings.TRIAL_CREDIT_USD), f"trial:{_digest(email)}"
        grant = grant_credit(trial.account_id, amount, PoolKind.TRIAL, reference, expires_at=expires_at, note="trial credit")
        Trial.objects.filter(pk=trial.pk).update(pool_id=grant.pool_id, card=card)
        trial.refresh_from_db()
    return trial


def _fingerprints(account_id: int) -> list[str]:
    """Of cards that can be told from others: a wallet makes a new fingerprint of the same card on each device."""
    cards = PaymentMethod.objects.filter(account_id=account_id, removed_at=None, wallet=False).exclude(fingerprint="")
    return list(cards.order_by("pk").values_list("fingerprint", flat=True))


def _unused(cards: list[str]) -> str | None:
    """The first that brought nobody trial credit yet."""
    used = set(Trial.objects.filter(card__in=cards).values_list("card", flat=True))
    return next((card for card in cards if card not in used), None)


def _card_digest(fingerprint: str) -> str:
    return hmac.digest(settings.KEY_PEPPER.encode(), f"trial card:{fingerprint}".encode(), "sha256").hex()


def _digest(email: str) -> str:
    """Stands for an address in the ledger, which outlives the account and must not name anybody."""
    return hmac.digest(settings.KEY_PEPPER.encode(), f"trial:{email.lower()}".encode(), "sha256").hex()
