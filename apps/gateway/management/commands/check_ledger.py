"""`manage.py check_ledger`: the books, verified on live data."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.money import usd_from_nano
from apps.gateway.ledger_check import INVARIANTS, check

MONEY = {"held", "remaining", "revenue", "written_off", "cash", "owed"}


class Command(BaseCommand):
    help = "Verifies the ledger's invariants I1–I7 in one consistent snapshot. Exits with 1 when one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object: ok, violations, open_holds and totals (USD as decimal strings)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report = check()
        totals = {name: usd_from_nano(value) if name in MONEY else value for name, value in report.totals.items()}
        if options["json"]:
            found = [{"invariant": v.invariant, "detail": v.detail} for v in report.violations]
            self.stdout.write(json.dumps({"ok": report.ok, "violations": found, "open_holds": totals["open_holds"], "totals": totals}))
        else:
            for invariant, (promise, _) in INVARIANTS.items():
                broken = [v.detail for v in report.violations if v.invariant == invariant]
                self.stdout.write(f"{invariant} {'BROKEN' if broken else 'ok'}: {promise}")
                for detail in broken:
                    self.stdout.write(f"   {detail}")
            self.stdout.write(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in totals.items()))
        if not report.ok:
            sys.exit(1)
