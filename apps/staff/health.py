"""What waits, and for how long: the queues and clocks of the platform, each with the bound beyond which something is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

# Name; SQL of how many wait and since how many seconds the oldest; seconds that are in order.
QUEUES: list[tuple[str, str, int]] = [
    ("Webhook events", "SELECT count(*), extract(epoch FROM now() - min(received_at)) FROM billing_stripeevent WHERE processed_at IS NULL", 300),
    ("Payments that are open", "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM billing_payment WHERE status = 1", 90_000),
    ("Refunds to be sent", "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM billing_reversal WHERE stripe_id IS NULL AND status = ''", 600),
    ("Mails about money", "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM billing_notice WHERE sent_at IS NULL", 900),
    ("Expired credit to be booked", "SELECT count(*), extract(epoch FROM now() - min(expires_at)) FROM billing_creditpool WHERE expires_at < now() AND remaining > held", 600),
    ("Sums of accounts", "SELECT 0, CASE WHEN isfinite(settled_until) THEN extract(epoch FROM now() - settled_until) END FROM usage_rollupmark", 300),
    ("Sums of the platform", "SELECT 0, CASE WHEN isfinite(settled_until) THEN extract(epoch FROM now() - settled_until) END FROM usage_platformmark", 300),
    ("Requests that run", "SELECT count(*), extract(epoch FROM now() - min(admitted_at)) FROM gateway_hold", 7_200),
    ("Gateway processes", "SELECT count(*), extract(epoch FROM now() - max(lease_until)) FROM gateway_process WHERE NOT fenced", 60),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lag:
    """`waiting` rows, the oldest of them for `seconds` (None: there is none)."""

    name: str
    waiting: int
    seconds: int | None
    bound: int

    @property
    def late(self) -> bool:
        return self.seconds is not None and self.seconds > self.bound


def lags() -> list[Lag]:
    found = []
    with connection.cursor() as cursor:
        for name, query, bound in QUEUES:
            cursor.execute(query)
            waiting, seconds = cursor.fetchone() or (0, None)
            found.append(Lag(name, waiting, None if seconds is None else max(0, int(seconds)), bound))
    return found
