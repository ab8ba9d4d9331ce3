"""Closing an account for good: keys, presets, credit, names. The ledger stays, since it is append-only and other books rest on it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts import actions
from apps.accounts.models import Account, Membership, Role, User
from apps.api_keys.models import ApiKey
from apps.billing import cards, credits, payments
from apps.budgets import actions as budgets
from apps.dashboard.models import ModelRequest
from apps.playground import conversations
from apps.presets.models import Preset
from apps.texts import actions as texts

KEY_NAME = "deleted"


@transaction.atomic
def delete_user(user: User) -> None:
    """Erase a user, and close the accounts that nobody else is a member of.

    Open requests of these run to their end and are settled. Raises ValidationError for a member of staff, who would take the
    audit trail's names along, and for the only owner of an account that others use.
    """
    if user.is_staff:
        raise ValidationError("Members of staff cannot delete themselves: have another one take your staff rights away first.")
    # In id order, since closing takes each account's lock.
    for membership in Membership.objects.filter(user=user).select_related("account").order_by("account_id"):
        _leave(membership)
    conversations.delete_all_of(user)
    actions.erase_user(user)


def _leave(membership: Membership) -> None:
    account = credits.lock_account(membership.account_id)
    others = account.memberships.exclude(pk=membership.pk)
    if not others.exists():
        _close(account)
    elif membership.role == Role.OWNER and not others.filter(role=Role.OWNER).exists():
        raise ValidationError(f"{account.name} has other members and no other owner: make one of them the owner first.")
    else:
        membership.delete()


def _close(account: Account) -> None:
    ApiKey.objects.filter(account=account, revoked_at=None).update(revoked_at=Now())
    ApiKey.objects.filter(account=account).update(name=KEY_NAME)
    Preset.objects.filter(account=account).delete()
    ModelRequest.objects.filter(account=account).delete()
    budgets.forget(account.pk)
    texts.forget(account.pk)
    credits.forfeit_credit(account.pk)
    cards.remove_all(account.pk)
    payments.withdraw_open(account.pk)
    actions.close_account(account)
