"""`manage.py create_account`: a user who can log in, with an account and a balance."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.actions import create_account_for
from apps.billing import credits
from apps.core.arguments import as_command_error, usd
from apps.core.money import usd_from_nano


class Command(BaseCommand):
    help = "Create a user with a verified address and an account of their own, or update one. Prints JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--password", help="without it, a new user resets the password to log in")
        parser.add_argument("--credit", type=usd, metavar="USD", help="the whole balance: it is raised or lowered to exactly this")
        parser.add_argument("--staff", action="store_true", help="may use the admin site, without bounds")

    def handle(self, *args: Any, email: str, password: str | None, credit: int | None, staff: bool, **options: Any) -> None:
        if password is not None:
            self._check_password(password)
        try:
            with transaction.atomic():
                registered = create_account_for(email, password, staff=staff)
                if credit is not None:
                    credits.set_balance(registered.account.pk, credit, note="create_account")
        except ValidationError as error:
            raise as_command_error(error) from None
        except ValueError as error:
            raise CommandError(f"--credit: {error}") from None
        answer = {
            "email": registered.user.email,
            "account_id": registered.account.pk,
            "user_id": registered.user.pk,
            "balance": usd_from_nano(credits.balance(registered.account.pk).remaining),
            "staff": registered.user.is_staff,
            "created": registered.created,
        }
        self.stdout.write(json.dumps(answer))

    def _check_password(self, password: str) -> None:
        """An operator may set a weak password, but is told."""
        if not password:
            raise CommandError("--password: it is empty; leave the option out to set none")
        try:
            validate_password(password)
        except ValidationError as error:
            self.stderr.write(f"Warning: {' '.join(error.messages)}")
