"""Background work on users: what nobody will come back for goes."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from celery import shared_task
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from apps.accounts.actions import delete_unverified
from apps.accounts.models import Session, User

UNVERIFIED_KEPT = timedelta(days=7)


@shared_task(name="accounts.clear_out")
def clear_out() -> None:
    """Delete expired sessions, and sign-ups whose address was not verified within UNVERIFIED_KEPT."""
    Session.objects.filter(expire_date__lt=Now()).delete()
    addresses = EmailAddress.objects.filter(user=OuterRef("pk"))
    stale = User.objects.filter(
        # Users whom staff made have no address until they log in: they are waited for.
        Exists(addresses),
        ~Exists(addresses.filter(verified=True)),
        last_login=None,
        is_staff=False,
        date_joined__lt=Now() - UNVERIFIED_KEPT,
    )
    for pk in list(stale.values_list("pk", flat=True)):
        with transaction.atomic():
            user = stale.filter(pk=pk).select_for_update().first()  # it may have been verified a moment ago
            if user is not None:
                delete_unverified(user)
