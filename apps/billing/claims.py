"""Work that several workers could find: whoever claims a row has it to itself for a while, and after a crash somebody else finds it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now


def claim(rows: QuerySet[Any], due_field: str, span: timedelta, most: int) -> list[Any]:
    """Primary keys of at most `most` of the rows whose `due_field` has come, the longest due first; it is put off by `span`."""
    with transaction.atomic():
        due = rows.filter(**{f"{due_field}__lte": Now()}).order_by(due_field).select_for_update(skip_locked=True, of=("self",))
        keys = list(due.values_list("pk", flat=True)[:most])
        rows.model._default_manager.filter(pk__in=keys).update(**{due_field: Now() + span})
    return keys
