"""`manage.py rebuild_rollups`: the sums of the log, made again from it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.usage import platform
from apps.usage.rollups import fold, refold_all


class Command(BaseCommand):
    help = "Makes the sums that usage pages, operators and the status page read again from the inference log, day by day, while requests go on. Changes nothing that was right."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--first-day", type=_day, metavar="YYYY-MM-DD", help="the first day, in UTC; without it the first whose log is complete"
        )
        parser.add_argument("--last-day", type=_day, metavar="YYYY-MM-DD", help="the last day, in UTC; without it today")

    def handle(self, *args: Any, **options: Any) -> None:
        fold(budget_s=float("inf"))
        platform.fold(budget_s=float("inf"))
        days = requests = 0
        for day, count in refold_all(options["first_day"], options["last_day"]):
            platform.refold(day)
            days, requests = days + 1, requests + count
        self.stdout.write(f"{requests} requests on {days} days")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is not a date such as 2030-01-31") from None
