"""Background work on budgets. All of it finds its work in Postgres: what the broker loses, the next sweep finds."""

from celery import shared_task

from apps.budgets import watch, webhooks


@shared_task(name="budgets.watch")
def watch_budgets() -> None:
    """Notice thresholds that were reached."""
    watch.watch_budgets()


@shared_task(name="budgets.deliver")
def deliver() -> None:
    """Send the webhooks that are due."""
    webhooks.deliver_due()


@shared_task(name="budgets.forget_old")
def forget_old() -> None:
    """Cut the log of webhooks."""
    webhooks.forget_old()
