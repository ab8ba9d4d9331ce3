"""What templates say about money that moved: `{% load billing %}`."""

from __future__ import annotations

from django import template

from apps.billing.models import TransactionKind
from apps.billing.models.payments import NANO_PER_CENT
from apps.billing.queries import Line
from apps.core import figures
from apps.dashboard.transactions import NAMES

register = template.Library()


@register.filter
def kind_name(kind: TransactionKind) -> str:
    return NAMES[kind]


@register.filter
def detail(line: Line) -> str:
    """What the note adds to the kind."""
    return "" if line.note.lower() == NAMES[line.kind].lower() else line.note


@register.filter
def plain_money(nano: int) -> str:
    """For where no markup may stand."""
    return figures.money(nano)


@register.filter
def cents(nano: int) -> int:
    """For meters."""
    return nano // NANO_PER_CENT
