"""What happens here when something happens elsewhere."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import user_signed_up
from django.dispatch import receiver

from apps.accounts.access import account_of_user
from apps.accounts.models import User
from apps.billing.trial import promise_trial


@receiver(user_signed_up)
def promise_trial_to_newcomer(user: User, **_: Any) -> None:
    promise_trial(account_of_user(user))
