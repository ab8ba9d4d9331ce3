"""Reading presets. Others' are as good as not there."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.accounts.models import Account
from apps.presets.models import Preset, PresetVersion


def presets_of(account: Account) -> QuerySet[Preset]:
    """The account's presets, newest first."""
    return Preset.objects.filter(account=account).order_by("-pk")


def preset_of(account: Account, slug: str) -> Preset | None:
    return presets_of(account).filter(slug=slug).first()


def versions_of(preset: Preset) -> QuerySet[PresetVersion]:
    """What the preset said before, the last one first."""
    return PresetVersion.objects.filter(preset=preset).order_by("-version")
