"""Background work on credit."""

from celery import shared_task

from apps.billing import expiry


@shared_task(name="billing.expire_credit")
def expire_credit() -> None:
    """Expire the credit that is due."""
    expiry.expire_credit()
