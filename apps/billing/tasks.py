"""Background work on credit."""

from celery import shared_task

from apps.billing import expiry


@shared_task(name="billing.expire_credit")  # type: ignore[untyped-decorator]  # Celery has no types
def expire_credit() -> None:
    """Expire the credit that is due."""
    expiry.expire_credit()
