"""Background work on the catalogue."""

from asgiref.sync import async_to_sync
from celery import shared_task

from apps.catalog import probes


@shared_task(name="catalog.probe_backends")
def probe_backends() -> None:
    """Ask every active backend whether it is alive."""
    async_to_sync(probes.probe_backends)()
