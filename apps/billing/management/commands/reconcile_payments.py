"""`manage.py reconcile_payments`: compare with Stripe's books, repair what was missed, report what differs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError

from apps.billing import reconciler
from apps.billing.errors import BillingError
from apps.core.money import usd_from_nano


class Command(BaseCommand):
    help = "Compare payments, refunds and disputes with Stripe's, repair what was missed, report what differs (exit 1)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=reconciler.HOURLY_LOOK_BACK.days, help="how far back; 3 without it")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, days: int, json: bool, **options: Any) -> None:
        if not 1 <= days <= 3650:
            raise CommandError("--days: from 1 to 3650")
        try:
            report = reconciler.reconcile(timedelta(days=days))
        except BillingError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(as_json(report) if json else in_words(report))
        if not report.ok:
            raise SystemExit(1)


def as_json(report: reconciler.Report) -> str:
    return json.dumps(
        {
            "ok": report.ok,
            "since": report.since.isoformat(),
            "payments": report.payments,
            "received": usd_from_nano(report.received),
            "returned": usd_from_nano(report.returned),
            "repaired": report.repaired,
            "drift": report.drift,
        }
    )


def in_words(report: reconciler.Report) -> str:
    lines = [f"{report.payments} payments since {report.since:%Y-%m-%d %H:%M} UTC"]
    lines.append(f"received ${usd_from_nano(report.received)}, returned ${usd_from_nano(report.returned)}")
    lines += [f"repaired: {line}" for line in report.repaired]
    lines += [f"differs: {line}" for line in report.drift]
    return "\n".join([*lines, "The books agree." if report.ok else "The books differ."])
