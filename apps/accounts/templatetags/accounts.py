"""Filters for the accounts' pages."""

from __future__ import annotations

from django import template

register = template.Library()
NAMES = {"github": "GitHub", "google": "Google"}


@register.filter
def provider_name(provider: str) -> str:
    """What a connected account's provider calls itself, whether it is still set up here or not."""
    return NAMES.get(provider, provider.title())
