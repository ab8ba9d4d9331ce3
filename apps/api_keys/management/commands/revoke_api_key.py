"""`manage.py revoke_api_key`: the key stops working with the next request."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from apps.accounts.queries import account_by_email
from apps.api_keys.actions import revoke_key
from apps.api_keys.models import ApiKey


class Command(BaseCommand):
    help = "Revoke the API key of an account that ends in these four characters."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("last4", metavar="LAST4", help="the key's last four characters")
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, last4: str, email: str, **options: Any) -> None:
        account = account_by_email(email)
        if account is None:
            raise CommandError(f"--email: {email!r} has no account")
        found = list(ApiKey.objects.filter(account=account, last4=last4).order_by("pk"))
        live = [key for key in found if key.revoked_at is None]
        if not found:
            raise CommandError(f"LAST4: {email} has no key that ends in {last4!r}")
        if len(live) > 1:
            names = ", ".join(repr(key.name) for key in live)
            raise CommandError(f"LAST4: several keys end in {last4!r} ({names}); revoke the right one under Settings → API Keys")
        if not live:
            self.stderr.write(f"The key …{last4} was revoked already.")
            return
        revoke_key(live[0])
        self.stdout.write(f"Revoked {live[0]}")
