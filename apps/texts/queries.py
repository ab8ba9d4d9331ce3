"""Reading kept texts. Everything is asked for by account: nobody finds another's, nor what has expired and is not deleted yet."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.texts.models import KeptText


def texts_of(account_id: int) -> QuerySet[KeptText]:
    return KeptText.objects.filter(account_id=account_id, expires_at__gt=Now())


def text_of(account_id: int, inference_id: UUID) -> KeptText | None:
    return texts_of(account_id).filter(pk=inference_id).first()
