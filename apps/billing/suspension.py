"""Suspending an account and lifting that, for staff. What a debt suspended is lifted by paying it (debts.py); what staff suspended
stays until staff lift it, whatever is paid meanwhile."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import Account, AccountStatus
from apps.billing.credits import balance, lock_account
from apps.billing.models import Debt, PoolKind


@transaction.atomic
def suspend(account_id: int) -> bool:
    """Nothing is admitted for it any more, until staff reinstate it. False when staff had suspended it already; ValidationError for a
    closed account."""
    account = lock_account(account_id)
    _refuse_closed(account)
    by_debt = Debt.objects.filter(account_id=account_id, suspended=True).update(suspended=False)
    if account.status == AccountStatus.SUSPENDED and not by_debt:
        return False
    Account.objects.filter(pk=account_id).update(status=AccountStatus.SUSPENDED)
    return True


@transaction.atomic
def reinstate(account_id: int) -> AccountStatus:
    """Lifts what staff did. An account that owes more than comes back to it stays suspended for that alone, until it has paid.

    Returns what it is then. ValidationError for one that staff have not suspended.
    """
    account = lock_account(account_id)
    _refuse_closed(account)
    debt = Debt.objects.filter(account_id=account_id).first()
    if account.status == AccountStatus.ACTIVE:
        raise ValidationError("The account is active.")
    if debt is not None and debt.suspended:
        raise ValidationError("It is suspended for what it owes: its next payment, or a dispute that is won, reinstates it.")
    held = sum(pool.held for pool in balance(account_id).pools if pool.kind == PoolKind.PURCHASED)
    if debt is not None and debt.amount > held:
        debt.suspended = True
        debt.save(update_fields=["suspended"])
        return AccountStatus.SUSPENDED
    Account.objects.filter(pk=account_id).update(status=AccountStatus.ACTIVE)
    return AccountStatus.ACTIVE


def is_by_debt(account_id: int) -> bool:
    """Whether it is a debt that suspended the account."""
    return Debt.objects.filter(account_id=account_id, suspended=True).exists()


def _refuse_closed(account: Account) -> None:
    if account.status == AccountStatus.CLOSED:
        raise ValidationError("The account is closed, for good.")
