"""Background work on the inference log."""

from celery import shared_task

from apps.usage import rollups


@shared_task(name="usage.fold")
def fold_log() -> None:
    """Fold what the log has grown by into its sums."""
    rollups.fold()


@shared_task(name="usage.drop_old_months")
def drop_old_months() -> None:
    """Drop what of the log is kept long enough."""
    rollups.drop_old_months()
