"""What templates say about API keys: `{% load keys %}`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.api_keys.models import ApiKey, Scope, State
from apps.api_keys.queries import Minute
from apps.core import figures

register = template.Library()

SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A limit of a key and what is used of it in the current minute; `limit` None: there is none. `id` is the element's."""

    id: str
    title: str
    used: int
    limit: int | None

    @property
    def words(self) -> tuple[str, str]:
        """Both numbers, short."""
        return figures.tokens(self.used), figures.tokens(self.limit or 0)

    @property
    def shown(self) -> int:
        """What the meter can show: a limit may have been lowered below what was used."""
        return min(self.used, self.limit or 0)

    @property
    def high(self) -> int:
        """From here on it gets tight."""
        return (self.limit or 0) * 4 // 5


@register.simple_tag
def gauges(key: ApiKey, minute: Minute) -> Sequence[Gauge]:
    """`{% gauges key minute as meters %}`: requests, tokens, concurrent requests."""
    return (
        Gauge(f"rpm-{key.pk}", "Requests this minute", minute.requests, key.rpm),
        Gauge(f"tpm-{key.pk}", "Tokens this minute", minute.tokens, key.tpm),
        Gauge(f"open-{key.pk}", "Concurrent requests", minute.open, key.max_concurrent),
    )


@register.simple_tag
def key_badges(key: ApiKey, state: State) -> SafeString:
    """`{% key_badges key state %}`: whether it works, and if it is of the other kind."""
    now = timezone.now()
    if state == State.REVOKED:
        kind, text = "", "Revoked"
    elif state == State.EXPIRED:
        kind, text = "bad", "Expired"
    elif key.expires_at is not None and key.expires_at - now < SOON:
        kind, text = "warn", f"Expires {figures.relative(key.expires_at, now)}"
    else:
        kind, text = "ok", "Active"
    management = SafeString('<span class="badge line">Management</span>' if key.scope == Scope.MANAGEMENT else "")
    return format_html('<span class="badges"><span class="badge {}">{}</span>{}</span>', kind, text, management)


@register.filter
def iso(moment: datetime) -> str:
    """`2027-06-30T00:00:00Z`, as programs write it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
