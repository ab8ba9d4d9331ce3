"""What is kept of an account's inferences, as tests look at it and bring it about."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from apps.core.ids import uuid7
from apps.texts.models import KeptText
from apps.texts.queries import text_of
from apps.texts.sealing import Text, seal, unseal
from tests.gateway.customers import Customer
from tests.gateway.waiting import wait_for


def kept(customer: Customer, inference: str | UUID) -> Text:
    """Waits until the texts of an inference are written: they come after its answer."""
    row = wait_for(lambda: text_of(customer.account_id, UUID(str(inference))), 20, f"texts of {inference}")
    text = unseal(row.sealed)
    assert text is not None
    return text


def number_kept(account_id: int) -> int:
    """All rows, expired or not."""
    return KeptText.objects.filter(account_id=account_id).count()


TEXT = Text('{"prompt":"Hi"}', '{"text":"Ho"}')


def keep(account_id: int, inference: UUID | None = None, text: Text = TEXT, days: int = 7) -> KeptText:
    """A row as the gateway writes it."""
    now = timezone.now()
    return KeptText.objects.create(
        id=inference or uuid7(), account_id=account_id, sealed=seal(text), kept_at=now, expires_at=now + timedelta(days=days)
    )
