"""Presets for tests, and models that they may name."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import Account
from apps.catalog.models import Model
from apps.core.ids import uuid7
from apps.presets.actions import NewPreset, create_preset
from apps.presets.models import Preset

PRESETS = "/api/v1/presets"


def new_model() -> str:
    """The id of a model that is in the catalogue and leads nowhere."""
    name = f"test/{uuid7().hex}"
    Model.objects.create(public_id=name, name=name)
    return name


def new_preset(account: Account, name: str = "Support", **content: Any) -> Preset:
    return create_preset(account, NewPreset(name, content.pop("model", None) or new_model(), **content))
