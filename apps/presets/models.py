"""Presets: a model, parameters and a system prompt under a short name, and what they said before they were changed."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from django.core.validators import RegexValidator
from django.db import models

from apps.accounts.models import Account
from apps.catalog.models import public_id_validator

MAX_SLUG = 64
SLUG = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*\Z")
slug_validator = RegexValidator(SLUG.pattern, "A slug is made of small letters and digits, in words that are parted by single hyphens.")


class Content(models.Model):
    """What a preset adds to a request. `parameters` is a JSON object of fields of an OpenAI chat request. It is kept as the text that it
    was sent as: jsonb would order its keys anew, and models do mind the order in a JSON schema."""

    model = models.CharField(max_length=200, validators=[public_id_validator])
    parameters = models.TextField(default="{}")
    system_prompt = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def fields(self) -> dict[str, Any]:
        """The parameters, decoded."""
        decoded: dict[str, Any] = msgspec.json.decode(self.parameters)
        return decoded


class Preset(Content):
    """A preset as it is now. Every change of a row is told to the gateways' processes by a trigger (channel `presets_changed`)."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="presets")
    slug = models.CharField(max_length=MAX_SLUG, validators=[slug_validator])
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    is_default = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)  # set by actions: choosing another default is no change of the one before

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "slug"], name="presets_slug_once"),
            models.UniqueConstraint(fields=["account"], condition=models.Q(is_default=True), name="presets_one_default"),
        ]

    def __str__(self) -> str:
        return self.slug


class PresetVersion(Content):
    """What a preset said before its content was changed; `version` is the number it had then."""

    preset = models.ForeignKey(Preset, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    replaced_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["preset", "version"], name="presets_version_once")]
