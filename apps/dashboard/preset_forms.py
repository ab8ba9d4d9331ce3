"""The form of a preset: everyday parameters as fields, all others as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apps.accounts.models import Account
from apps.catalog.queries import prices_on_offer
from apps.gateway.errors import BadRequest
from apps.gateway.openai.fields import decode_fields
from apps.gateway.preset_check import checked_parameters
from apps.presets.actions import NewPreset, create_preset, edit_preset
from apps.presets.models import Preset

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
# Form fields that stand for a parameter of the same name.
PARAMETERS = (
    "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "max_tokens", "seed", "stop",
    "reasoning_effort",
)  # fmt: skip
OWN = ("name", "slug", "description", "model", "system_prompt", "is_default")


def _number(label: str, least: float, most: float, text: str) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "placeholder": "Model’s own"})
    return forms.FloatField(label=label, min_value=least, max_value=most, required=False, widget=widget, help_text=text)


def _whole(label: str, least: int, most: int, text: str) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"inputmode": "numeric", "placeholder": "Model’s own"})
    return forms.IntegerField(label=label, min_value=least, max_value=most, required=False, widget=widget, help_text=text)


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
    temperature = _number("Temperature", 0, 2, "0 to 2. Low keeps to the likeliest words.")
    top_p = _number("Top P", 0, 1, "0 to 1. Only the likeliest words that make up this share.")
    top_k = _whole("Top K", 0, 2**31 - 1, "Only so many of the likeliest words; 0 is all.")
    min_p = _number("Min P", 0, 1, "0 to 1. Leaves out words far less likely than the first.")
    frequency_penalty = _number("Frequency penalty", -2, 2, "-2 to 2. Against words that came often.")
    presence_penalty = _number("Presence penalty", -2, 2, "-2 to 2. Against words that came at all.")
    repetition_penalty = _number("Repetition penalty", 0, 10, "1 is none; more is stronger.")
    max_tokens = _whole("Max tokens", 1, 10_000_000, "The longest answer.")
    seed = _whole("Seed", -(2**63), 2**63 - 1, "The same seed, mostly the same answer.")
    reasoning_effort = forms.ChoiceField(
        label="Reasoning effort", required=False, choices=[("", "Model’s own"), *((effort, effort) for effort in EFFORTS)]
    )
    stop = forms.CharField(
        label="Stop",
        required=False,
        strip=False,
        help_text="Texts that end the answer, one a line.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono"}),
    )
    others = forms.CharField(
        label="Other parameters",
        required=False,
        help_text="A JSON object of fields of a chat request: tools, response_format, logit_bias, …",
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
    )
    is_default = forms.BooleanField(
        label="The account’s default", required=False, help_text="What new conversations in the Playground begin with."
    )

    def __init__(self, *args: Any, row: Preset | None = None, **options: Any) -> None:
        self.row = row
        if row is not None:
            options["initial"] = {name: getattr(row, name) for name in OWN} | shown(row.parameters)
        super().__init__(*args, **options)
        choices = [(price.model.public_id, f"{price.model.name} ({price.model.public_id})") for price in prices_on_offer()]
        if row is not None and row.model not in dict(choices):
            choices.append((row.model, f"{row.model} (no longer offered)"))
        self.fields["model"].choices = [("", "Choose a model"), *choices]  # type: ignore[attr-defined]
        if row is not None:
            self.fields["slug"].required = True

    def clean(self) -> dict[str, Any]:
        """`parameters` of the cleaned data is their JSON."""
        data = super().clean() or {}
        given: dict[str, Any] = {}
        try:
            others = data.get("others", "").strip()
            given = {**msgspec.json.decode(others, type=dict[str, msgspec.Raw])} if others else {}
        except (msgspec.MsgspecError, RecursionError) as error:
            self.add_error("others", f"This is no JSON object: {error}.")
        for name in PARAMETERS:
            value = data.get(name)
            if value in (None, ""):
                continue
            if name in given:
                self.add_error("others", f"“{name}” has a field of its own: fill in only one of the two.")
            given[name] = [line for line in value.splitlines() if line] if name == "stop" else value
        try:
            data["parameters"] = checked_parameters(msgspec.json.encode(given))
        except BadRequest as error:
            name = (error.param or "").removeprefix("parameters.").partition(".")[0].partition("[")[0]
            if name not in self.errors:
                self.add_error(name if name in PARAMETERS else "others", error.message)
        return data

    def save(self, account: Account) -> Preset | None:
        """The preset; None, with the error in the form, when it was refused."""
        data = self.cleaned_data
        try:
            if self.row is None:
                return create_preset(account, NewPreset(parameters=data["parameters"], **{name: data[name] for name in OWN}))
            changes = {name: data[name] for name in OWN if name in self.changed_data}
            if not {*PARAMETERS, "others"}.isdisjoint(self.changed_data):
                changes["parameters"] = data["parameters"]
            return edit_preset(self.row, changes)
        except ValidationError as error:
            complaints = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
            for name, messages in complaints.items():
                field = "others" if name == "parameters" else name if name in self.fields else None
                self.add_error(field, [f"{text[0].upper()}{text[1:]}" for text in messages])
            return None


def shown(parameters: str) -> dict[str, Any]:
    """A preset's parameters by field of the form; what has no field, or does not fit into it, is JSON in `others`."""
    rest = decode_fields(parameters)
    fields: dict[str, Any] = {}
    for name in PARAMETERS:
        value = msgspec.json.decode(rest[name]) if name in rest else None
        if name == "stop":
            listed = [value] if isinstance(value, str) else value
            fits = isinstance(listed, list) and bool(listed) and all(text and [text] == text.splitlines() for text in listed)
            value = "\n".join(listed) if fits and isinstance(listed, list) else None
        elif name == "reasoning_effort":
            fits = value in EFFORTS
        else:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        if fits:
            fields[name] = value
            del rest[name]
    fields["others"] = msgspec.json.format(msgspec.json.encode(rest), indent=2).decode() if rest else ""
    return fields


class ImportForm(forms.Form):
    """A file that an export gave, or its text."""

    file = forms.FileField(label="File", required=False, widget=forms.ClearableFileInput(attrs={"accept": ".json,application/json"}))
    text = forms.CharField(
        label="Or its text", required=False, widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"})
    )
