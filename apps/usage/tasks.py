"""Background work on the inference log."""

from celery import shared_task

from apps.usage import rollups


@shared_task(name="usage.fold_keys")
def fold_keys() -> None:
    """Fold what the log has grown by into the days of keys."""
    rollups.fold_keys()
