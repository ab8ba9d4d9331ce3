"""What follows from a password that was set."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import password_changed, password_reset, password_set
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts.actions import release_address
from apps.accounts.models import User
from apps.accounts.queries import other_sessions_of


@receiver([password_changed, password_set, password_reset])
def end_other_sessions(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """They would not be the user's any more (session_user.py); this takes them off the list at once."""
    other_sessions_of(user, request.session.session_key).delete()


@receiver(password_reset)
@transaction.atomic
def verify_address(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """The link that was followed was mailed to the user's one address: a code that is mailed there would prove nothing more."""
    addresses = list(EmailAddress.objects.filter(user=user))
    if len(addresses) == 1 and addresses[0].email == user.email and not addresses[0].verified:
        release_address(user.email, keep=user)
        addresses[0].set_verified()
        addresses[0].set_as_primary()
