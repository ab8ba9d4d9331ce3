"""Filters for figures in templates (apps/core/figures.py): short for the eye, exact on hover, copied on click."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core import figures
from apps.core.money import usd_from_nano
from apps.core.templatetags.ui import icon

register = template.Library()

register.filter("change", figures.change)
register.filter("count", figures.count)
register.filter("price", figures.price)
register.filter("seconds", figures.seconds)
register.filter("milliseconds", lambda value: figures.seconds(round(value)))


@register.filter
def money(nano: int) -> SafeString:
    """`$0.00` to the eye, every nano-dollar on hover."""
    return _data(usd := usd_from_nano(nano), f"${usd}", figures.money(nano))


@register.filter
def cost(nano: int) -> SafeString:
    """For columns: six decimals at least."""
    return _data(usd := usd_from_nano(nano), f"${usd}", figures.cost(nano))


@register.filter
def tokens(number: int) -> SafeString:
    """`1.24 M`, the exact number on hover."""
    return _data(str(number), f"{figures.count(number)} tokens", figures.tokens(number))


@register.filter
def when(moment: datetime | None, missing: str = "never") -> SafeString | str:
    """`4 s ago`, kept up to date by static/js/times.js; the exact time with its zone on hover."""
    if moment is None:
        return missing
    local = timezone.localtime(moment)
    template = '<time class="num" datetime="{}" title="{}" data-relative>{}</time>'
    return format_html(template, local.isoformat(timespec="seconds"), figures.exact(local), figures.relative(local, timezone.now()))


@register.filter
def day(moment: datetime | None, missing: str = "–") -> SafeString | str:
    """`27 Nov 2026`, the exact time with its zone on hover."""
    if moment is None:
        return missing
    local = timezone.localtime(moment)
    template = '<time class="num" datetime="{}" title="{}">{}</time>'
    return format_html(template, local.isoformat(timespec="seconds"), figures.exact(local), figures.date(local))


@register.filter
def exact(moment: datetime | None, missing: str = "–") -> str:
    """`27 Nov 2026, 14:02:18 UTC`."""
    return missing if moment is None else figures.exact(timezone.localtime(moment))


@register.filter
def short(value: object) -> str:
    """An id as text, shortened in the middle."""
    return figures.short_id(str(value))


@register.filter
def short_id(value: object) -> SafeString:
    """An id in mono, shortened in the middle, whole on hover, copied on click."""
    text = str(value)
    template = '<button class="copy-id" type="button" data-copy="{0}" title="{0}"><span class="visually-hidden">Copy </span><span>{1}</span>{2}{3}</button>'
    return format_html(template, text, figures.short_id(text), icon("copy", "todo"), icon("check", "done"))


def _data(value: str, title: str, text: str) -> SafeString:
    """Made of digits alone, so there is nothing to escape: pages have thousands of these."""
    return SafeString(f'<data class="num" value="{value}" title="{title}">{text}</data>')
