"""The form of a preset. Its parameters are JSON, which the page's script fills by the controls of the chosen model."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apps.accounts.models import Account
from apps.catalog.queries import prices_on_offer
from apps.gateway.errors import BadRequest
from apps.gateway.preset_check import checked_parameters
from apps.presets.actions import NewPreset, create_preset, edit_preset
from apps.presets.models import Preset

OWN = ("name", "slug", "description", "model", "system_prompt", "is_default")


class PresetForm(forms.Form):
    name = forms.CharField(label="Name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    slug = forms.CharField(
        label="Slug",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    description = forms.CharField(label="Description", max_length=500, required=False)
    model = forms.ChoiceField(label="Model")
    system_prompt = forms.CharField(label="System prompt", required=False, strip=False, widget=forms.Textarea(attrs={"rows": 7}))
    parameters = forms.CharField(
        label="Parameters as JSON",
        required=False,
        help_text="An object of fields of a chat request. What has no control goes here: logit_bias, tool_choice, n, …",
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
    )
    is_default = forms.BooleanField(
        label="The account’s default", required=False, help_text="What new conversations in the Playground begin with."
    )

    def __init__(self, *args: Any, row: Preset | None = None, **options: Any) -> None:
        self.row = row
        if row is not None:
            options["initial"] = {name: getattr(row, name) for name in OWN} | {"parameters": pretty(row.parameters)}
        super().__init__(*args, **options)
        choices = [(price.model.public_id, f"{price.model.name} ({price.model.public_id})") for price in prices_on_offer()]
        if row is not None and row.model not in dict(choices):
            choices.append((row.model, f"{row.model} (no longer offered)"))
        self.fields["model"].choices = [("", "Choose a model"), *choices]  # type: ignore[attr-defined]
        if row is not None:
            self.fields["slug"].required = True

    def clean(self) -> dict[str, Any]:
        """`parameters` of the cleaned data is their JSON, without white space."""
        data = super().clean() or {}
        try:
            data["parameters"] = compact(checked_parameters((data.get("parameters", "").strip() or "{}").encode()))
        except BadRequest as error:
            self.add_error("parameters", error.message)
        return data

    def save(self, account: Account) -> Preset | None:
        """The preset; None, with the error in the form, when it was refused."""
        data = self.cleaned_data
        try:
            if self.row is None:
                return create_preset(account, NewPreset(parameters=data["parameters"], **{name: data[name] for name in OWN}))
            changes = {name: data[name] for name in OWN if name in self.changed_data}
            if data["parameters"] != compact(self.row.parameters):
                changes["parameters"] = data["parameters"]
            return edit_preset(self.row, changes)
        except ValidationError as error:
            complaints = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
            for name, messages in complaints.items():
                self.add_error(name if name in self.fields else None, [f"{text[0].upper()}{text[1:]}" for text in messages])
            return None


def pretty(parameters: str) -> str:
    """A preset's parameters as people read them; empty where there are none."""
    return "" if parameters == "{}" else msgspec.json.format(parameters, indent=2)


def compact(parameters: str) -> str:
    """Without white space between their parts: a browser sends other line ends than it was given."""
    return msgspec.json.format(parameters, indent=-1)


class ImportForm(forms.Form):
    """A file that an export gave, or its text."""

    file = forms.FileField(label="File", required=False, widget=forms.ClearableFileInput(attrs={"accept": ".json,application/json"}))
    text = forms.CharField(
        label="Or its text", required=False, widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"})
    )
