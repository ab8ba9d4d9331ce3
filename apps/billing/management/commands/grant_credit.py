"""`manage.py grant_credit`: promotional credit for an account."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management import BaseCommand, CommandError

from apps.accounts.queries import account_by_email
from apps.billing import credits
from apps.billing.models import PoolKind
from apps.core.arguments import moment, usd
from apps.core.ids import uuid7
from apps.core.money import usd_from_nano


class Command(BaseCommand):
    help = "Grant promotional credit to an account, on top of what it has. Prints JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--amount", required=True, type=usd, metavar="USD")
        parser.add_argument("--expires-at", type=moment, metavar="ISO", help="without it the credit never expires")

    def handle(self, *args: Any, email: str, amount: int, expires_at: datetime | None, **options: Any) -> None:
        account = account_by_email(email)
        if account is None:
            raise CommandError(f"--email: {email!r} has no account; create_account makes one")
        try:
            grant = credits.grant_credit(
                account.pk, amount, PoolKind.PROMOTION, f"grant:{uuid7()}", expires_at=expires_at, note="grant_credit"
            )
        except ValueError as error:
            raise CommandError(f"--amount: {error}") from None
        answer = {
            "email": email.strip().lower(),
            "account_id": account.pk,
            "pool_id": grant.pool_id,
            "amount": usd_from_nano(amount),
            "expires_at": expires_at and expires_at.isoformat(),
            "balance": usd_from_nano(credits.balance(account.pk).remaining),
        }
        self.stdout.write(json.dumps(answer))
