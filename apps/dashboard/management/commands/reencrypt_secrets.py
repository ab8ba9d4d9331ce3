"""`manage.py reencrypt_secrets`: write what is stored encrypted anew under the current SECRET_KEY, so that an earlier one can go."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.adapters import SECOND_FACTOR
from apps.budgets.models import WEBHOOK_SECRET, Budget
from apps.catalog.models import BACKEND_KEY, Backend
from apps.core.crypto import Undecryptable, decrypt, encrypt
from apps.texts.models import KeptText
from apps.texts.sealing import sealed_anew

FACTOR_FIELDS = ("secret", "seed")  # of an authenticator app, of recovery codes


class Command(BaseCommand):
    help = "Encrypt stored secrets (keys of backends, second factors, secrets of webhooks, kept texts) anew under SECRET_KEY. Until then keep the earlier one in SECRET_KEY_FALLBACKS."

    def handle(self, *args: Any, **options: Any) -> None:
        done, unreadable = 0, []
        for table, rewrite in ((Backend, self._backend), (Authenticator, self._factor), (Budget, self._webhook), (KeptText, self._text)):
            for pk in list(table.objects.order_by("pk").values_list("pk", flat=True)):
                try:
                    with transaction.atomic():
                        row = table.objects.select_for_update(no_key=True).filter(pk=pk).first()  # it may have gone meanwhile
                        done += row is not None and rewrite(row)
                except Undecryptable:
                    unreadable.append(f"{table._meta.verbose_name} {pk}")
        self.stdout.write(f"{done} secrets are encrypted under the current SECRET_KEY.")
        if unreadable:
            raise CommandError(
                f"Not readable, so left as they are: {', '.join(unreadable)}. Is their SECRET_KEY among SECRET_KEY_FALLBACKS?"
            )

    @staticmethod
    def _backend(row: Any) -> bool:
        row.api_key_encrypted = encrypt(decrypt(row.api_key_encrypted, BACKEND_KEY), BACKEND_KEY)
        row.save(update_fields=["api_key_encrypted"])
        return bool(row.api_key_encrypted)

    @staticmethod
    def _webhook(row: Any) -> bool:
        row.secret_encrypted = encrypt(decrypt(row.secret_encrypted, WEBHOOK_SECRET), WEBHOOK_SECRET)
        row.save(update_fields=["secret_encrypted"])
        return bool(row.secret_encrypted)

    @staticmethod
    def _text(row: Any) -> bool:
        row.sealed = sealed_anew(row.sealed)
        row.save(update_fields=["sealed"])
        return True

    @staticmethod
    def _factor(row: Any) -> bool:
        secrets = [name for name in FACTOR_FIELDS if row.data.get(name)]
        row.data = row.data | {name: encrypt(decrypt(row.data[name], SECOND_FACTOR), SECOND_FACTOR) for name in secrets}
        row.save(update_fields=["data"])
        return bool(secrets)
