"""`manage.py create_api_key`: prints a new key, and nothing else, on standard output."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError

from apps.accounts.queries import account_of, user_by_email
from apps.api_keys.actions import Limits, create_key
from apps.api_keys.models import Scope
from apps.core.arguments import as_command_error, moment, usd


class Command(BaseCommand):
    help = "Create an API key and print it: it cannot be shown again. A limit that is left out is unlimited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", required=True)
        parser.add_argument("--rpm", type=int, metavar="N", help="requests per minute")
        parser.add_argument("--tpm", type=int, metavar="N", help="tokens per minute, prompt and answer together")
        parser.add_argument("--max-concurrent", type=int, metavar="N", help="requests at the same time")
        parser.add_argument("--spend-limit-day", type=usd, metavar="USD", help="what it may spend in a day, in UTC")
        parser.add_argument("--spend-limit-month", type=usd, metavar="USD", help="what it may spend in a month, in UTC")
        parser.add_argument("--expires-at", type=moment, metavar="ISO", help="may lie in the past; without it the key never expires")
        parser.add_argument("--management", action="store_true", help="a key for the management API instead of inference")

    def handle(
        self,
        *args: Any,
        email: str,
        name: str,
        rpm: int | None,
        tpm: int | None,
        max_concurrent: int | None,
        expires_at: datetime | None,
        spend_limit_day: int | None,
        spend_limit_month: int | None,
        management: bool,
        **options: Any,
    ) -> None:
        user = user_by_email(email)
        account = account_of(user) if user else None
        if account is None:
            raise CommandError(f"--email: {email!r} has no account; create_account makes one")
        limits = Limits(rpm, tpm, max_concurrent, expires_at, spend_limit_day, spend_limit_month)
        try:
            _, key = create_key(account, name, limits, Scope.MANAGEMENT if management else Scope.INFERENCE, user)
        except ValidationError as error:
            raise as_command_error(error) from None
        self.stdout.write(key)
