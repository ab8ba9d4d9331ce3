"""Filters with which one mail's words become text and HTML (templates/mail/)."""

from __future__ import annotations

import re
import textwrap

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
WIDTH = 72


@register.filter
def paragraphs(words: str) -> str:
    """Text: paragraphs parted by empty lines, each wrapped at WIDTH."""
    return "\n\n".join(textwrap.fill(" ".join(one.split()), WIDTH, break_long_words=False, break_on_hyphens=False) for one in _parts(words))


@register.filter
def html_paragraphs(words: SafeString) -> SafeString:
    """HTML: the same paragraphs. What was put in is escaped already."""
    style = "margin:0 0 16px"
    return format_html_join("\n", '<p style="{}">{}</p>', ((style, mark_safe(" ".join(one.split()))) for one in _parts(words)))  # noqa: S308


@register.filter
def line(words: str) -> str:
    """Text: a code or a link on a line of its own; nothing where there is none."""
    return f"    {words.strip()}" if words.strip() else ""


@register.filter
def mail_code(code: SafeString) -> SafeString:
    """HTML: a code to type, large; nothing where there is none."""
    if not code.strip():
        return SafeString()
    style = (
        "margin:0 0 20px;padding:14px 16px;border:1px solid #bdbdc2;border-radius:6px;background:#f7f7f8;text-align:center;"
        "font:600 24px/32px ui-monospace,'SF Mono',Menlo,Consolas,monospace;letter-spacing:.08em"
    )
    return format_html('<p class="code" style="{}">{}</p>', style, mark_safe(code.strip()))  # noqa: S308


@register.filter
def mail_link(address: SafeString) -> SafeString:
    """HTML: a link as a button, and below it the address itself; nothing where there is none."""
    if not address.strip():
        return SafeString()
    address = mark_safe(address.strip())  # noqa: S308
    style = "display:inline-block;padding:12px 20px;border-radius:6px;background:#d53a12;color:#ffffff;font-weight:600;text-decoration:none"
    small = "margin:0 0 20px;font-size:12px;line-height:16px;color:#64646a;word-break:break-all"
    html = '<p style="margin:0 0 12px"><a href="{0}" style="{1}">Continue</a></p><p class="quiet" style="{2}">{0}</p>'
    return format_html(html, address, style, small)


def _parts(words: str) -> list[str]:
    return [one for one in re.split(r"\n\s*\n", words.strip()) if one.strip()]
