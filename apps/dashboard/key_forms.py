"""The forms of an API key."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.accounts.models import Account, User
from apps.api_keys.actions import EDITABLE, Limits, create_key, edit_key
from apps.api_keys.models import ApiKey, Scope
from apps.core.moments import moment_from_iso
from apps.core.money import nano_from_usd, usd_from_nano

# What a new key starts with, so that a runaway program is stopped before the balance is; each can be emptied.
SENSIBLE = Limits(rpm=600, tpm=1_000_000, max_concurrent=32)


class MomentField(forms.Field):
    """A date and time in UTC: what the browser's picker gives, or any ISO 8601."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "min": "2000-01-01T00:00", "max": "9999-12-31T23:59", "data-iso": ""})

    def to_python(self, value: Any) -> datetime | None:
        try:
            return moment_from_iso(value) if value else None
        except ValueError as error:
            raise ValidationError(f"{error}.") from None

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            return value
        shown = value.astimezone(UTC)
        return shown.strftime("%Y-%m-%dT%H:%M:%S" if shown.second else "%Y-%m-%dT%H:%M")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """What comes back as it was shown is unchanged, though a picker shows no fractions of a second."""
        return self.prepare_value(initial) != (data or None)


class UsdField(forms.Field):
    """US dollars, in nano-USD."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "No limit", "autocomplete": "off"})

    def to_python(self, value: Any) -> int | None:
        try:
            amount = nano_from_usd(value.strip().removeprefix("$"), "dollars") if value and value.strip() else None
        except ValueError as error:
            raise ValidationError(f"{error}.") from None
        if amount is not None and amount < 1:
            raise ValidationError("Must be above zero.")
        return amount

    def prepare_value(self, value: Any) -> Any:
        return usd_from_nano(value) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.prepare_value(initial) != (data or None)


def _whole(label: str, most: int, **options: Any) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"inputmode": "numeric", "placeholder": "No limit"})
    return forms.IntegerField(label=label, min_value=1, max_value=most, required=False, widget=widget, **options)


class LimitsForm(forms.Form):
    """Name and limits of a key that exists."""

    name = forms.CharField(label="Name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}))
    rpm = _whole("Requests per minute", 1_000_000)
    tpm = _whole("Tokens per minute", 10**12)
    max_concurrent = _whole("Concurrent requests", 100_000)
    spend_limit_day = UsdField(label="Dollars a day", required=False)
    spend_limit_month = UsdField(label="Dollars a month", required=False)
    expires_at = MomentField(label="Expires", required=False)

    def __init__(self, *args: Any, key: ApiKey | None = None, **options: Any) -> None:
        if key is not None:
            options["initial"] = {name: getattr(key, name) for name in EDITABLE}
        super().__init__(*args, **options)

    def save(self, key: ApiKey) -> bool:
        """Writes what was changed, and nothing else. False, with the error in the form, when it was refused."""
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        try:
            edit_key(key, changes)
        except ValidationError as error:
            self.add_error(None, error)
        return not self.errors


class NewKeyForm(LimitsForm):
    """A key to be made. A management key has no limits: it calls no models."""

    scope = forms.TypedChoiceField(
        label="What it is for",
        choices=[(Scope.INFERENCE.value, "Calling models"), (Scope.MANAGEMENT.value, "Managing the account over REST")],
        coerce=lambda value: Scope(int(value)),
        initial=Scope.INFERENCE.value,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, initial=asdict(SENSIBLE), **options)
        self.fields["name"].widget.attrs["autofocus"] = True  # for when its dialog opens

    def create(self, account: Account, user: User) -> tuple[ApiKey, str] | None:
        """The key's row and its full text; None, with the error in the form, when it was refused."""
        data = self.cleaned_data
        if data["scope"] == Scope.MANAGEMENT:
            limits = Limits(expires_at=data["expires_at"])
        else:
            limits = Limits(**{name: data[name] for name in EDITABLE if name != "name"})
        try:
            return create_key(account, data["name"], limits, data["scope"], user)
        except ValidationError as error:
            self.add_error(None, error)
            return None
