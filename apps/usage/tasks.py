"""Background work on the inference log."""

from celery import shared_task

from apps.usage import platform, rollups


@shared_task(name="usage.fold")
def fold_log() -> None:
    """Fold what the log has grown by into its sums."""
    rollups.fold()


@shared_task(name="usage.fold_platform")
def fold_platform() -> None:
    """Fold the log into the sums of the platform, as far as those of accounts have come."""
    platform.fold()


@shared_task(name="usage.drop_old_months")
def drop_old_months() -> None:
    """Drop what of the log is kept long enough."""
    rollups.drop_old_months()
