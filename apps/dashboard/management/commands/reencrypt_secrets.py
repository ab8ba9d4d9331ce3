"""`manage.py reencrypt_secrets`: write what is stored encrypted anew under the current SECRET_KEY, so that an earlier one can go."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management import BaseCommand, CommandError
from django.db import models, transaction

from apps.accounts.adapters import SECOND_FACTOR
from apps.budgets.models import WEBHOOK_SECRET, Budget
from apps.catalog.models import BACKEND_KEY, Backend
from apps.core.crypto import Undecryptable, decrypt, encrypt
from apps.playground import sealing as playground
from apps.playground.models import Conversation, Message
from apps.texts import sealing as texts
from apps.texts.models import KeptText

# Every column that is encrypted, and what for.
SEALED: dict[type[models.Model], tuple[str, tuple[str, ...]]] = {
    Backend: (BACKEND_KEY, ("api_key_encrypted",)),
    Budget: (WEBHOOK_SECRET, ("secret_encrypted",)),
    KeptText: (texts.PURPOSE, ("sealed",)),
    Conversation: (playground.PURPOSE, ("sealed_title", "sealed_panes", "sealed_draft")),
    Message: (playground.PURPOSE, ("sealed_body",)),
}
FACTOR_FIELDS = ("secret", "seed")  # in the data of an authenticator app, of recovery codes


class Command(BaseCommand):
    help = "Encrypt what is stored encrypted (keys of backends, second factors, secrets of webhooks, the Playground's conversations, kept texts) anew under SECRET_KEY. Until then keep the earlier one in SECRET_KEY_FALLBACKS."

    def handle(self, *args: Any, **options: Any) -> None:
        done, unreadable = 0, []
        for table in (*SEALED, Authenticator):
            for pk in list(table._default_manager.order_by("pk").values_list("pk", flat=True)):
                try:
                    with transaction.atomic():
                        row = table._default_manager.select_for_update(no_key=True).filter(pk=pk).first()  # it may have gone meanwhile
                        done += row is not None and _rewrite(row)
                except Undecryptable:
                    unreadable.append(f"{table._meta.verbose_name} {pk}")
        self.stdout.write(f"{done} secrets are encrypted under the current SECRET_KEY.")
        if unreadable:
            raise CommandError(
                f"Not readable, so left as they are: {', '.join(unreadable)}. Is their SECRET_KEY among SECRET_KEY_FALLBACKS?"
            )


def _rewrite(row: models.Model) -> bool:
    """Whether there was anything to encrypt. Raises Undecryptable."""
    if isinstance(row, Authenticator):
        anew = _anew({name: row.data[name] for name in FACTOR_FIELDS if row.data.get(name)}, SECOND_FACTOR)
        row.data = row.data | anew
        row.save(update_fields=["data"])
    else:
        purpose, columns = SEALED[type(row)]
        anew = _anew({name: getattr(row, name) for name in columns}, purpose)
        type(row)._default_manager.filter(pk=row.pk).update(**anew)
    return any(anew.values())


def _anew(sealed: dict[str, str], purpose: str) -> dict[str, str]:
    return {name: encrypt(decrypt(value, purpose), purpose) for name, value in sealed.items()}
