"""Background work for operators."""

from celery import shared_task

from apps.staff import incidents
from apps.staff import recording as recording  # hears how all tasks run


@shared_task(name="staff.watch")
def watch() -> None:
    """Look for what is wrong, and tell operators."""
    incidents.look()
    incidents.tell()


@shared_task(name="staff.check_ledger")
def check_ledger() -> None:
    """Look whether the ledger's invariants hold."""
    incidents.look_at_ledger()
