"""Background work on kept texts."""

from celery import shared_task

from apps.texts import actions


@shared_task(name="texts.delete_expired")
def delete_expired() -> None:
    """Delete what was kept long enough. Nobody has been shown it since then."""
    actions.delete_expired()
