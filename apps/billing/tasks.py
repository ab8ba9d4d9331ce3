"""Background work on credit and payments. All of it finds its work in Postgres: what the broker loses, the next sweep finds."""

import logging

from celery import shared_task

from apps.billing import auto_charge, cards, debts, events, expiry, notices, payments, receipts, reconciler, reversals, stripe_client, watch
from apps.billing.errors import StripeUnavailable

log = logging.getLogger(__name__)


@shared_task(name="billing.expire_credit")  # type: ignore[untyped-decorator]  # Celery has no types
def expire_credit() -> None:
    """Expire the credit that is due."""
    expiry.expire_credit()


@shared_task(name="billing.process_event")  # type: ignore[untyped-decorator]
def process_event(event_id: str) -> None:
    """Work on a webhook event that was just kept."""
    events.process(event_id)


@shared_task(name="billing.charge_due")  # type: ignore[untyped-decorator]
def charge_due() -> None:
    """Top up the accounts that fell below their threshold."""
    auto_charge.charge_due()


@shared_task(name="billing.go_on")  # type: ignore[untyped-decorator]
def go_on() -> None:
    """Go on with whatever a crash, an outage or a lost message left lying; send the mails that are owed."""
    of_stripe = [
        events.process_waiting,
        payments.advance_open,
        payments.keep_cards,
        reversals.send_refunds,
        cards.finish_setups,
        cards.forget_removed,
        receipts.issue_missing,
    ]
    for step in [debts.collect_all, *(of_stripe if stripe_client.configured() else []), notices.send_owed]:
        try:
            step()
        except Exception:  # one that cannot go on holds up none of the others
            log.exception("billing: %s", step.__name__)


@shared_task(name="billing.watch")  # type: ignore[untyped-decorator]
def watch_accounts() -> None:
    """Notice low balances, trials that end and cards that expire."""
    watch.watch_balances()
    watch.watch_trials()
    watch.watch_cards()


@shared_task(name="billing.reconcile")  # type: ignore[untyped-decorator]
def reconcile() -> None:
    """Compare with Stripe's books; the log says what was repaired and what differs."""
    if stripe_client.configured():
        try:
            reconciler.reconcile()
        except StripeUnavailable:
            log.warning("Stripe does not answer: its books are compared in the next hour")
