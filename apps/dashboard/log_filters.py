"""What the log of inferences can be narrowed to: read from an address, put into a query.

Every filter is a parameter of the address, so that what somebody sees can be sent to somebody else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from apps.accounts.models import Account
from apps.api_keys.models import ApiKey
from apps.catalog.models import Model
from apps.core.moments import database_now
from apps.core.money import nano_from_usd
from apps.dashboard.log_rows import DIALECT_NAMES, STATUS_NAMES
from apps.usage.log import LogFilters
from apps.usage.models import Dialect, Status

MOST_KEYS = 200  # that are offered for choice, newest first
RANGES = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "1y": ("Last year", timedelta(days=365)),
}
STATUSES = {
    "completed": [Status.COMPLETED],
    "cancelled": [Status.CANCELLED],
    "failed": [Status.FAILED],
    "lost": [Status.LOST],
    "trouble": [Status.CANCELLED, Status.FAILED, Status.LOST],
}
DIALECTS = {
    "chat": Dialect.CHAT,
    "completions": Dialect.COMPLETIONS,
    "messages": Dialect.MESSAGES,
    "playground": Dialect.PLAYGROUND,
}
NO_KEY = "none"
LONGEST_S = Decimal(86_400)
# An id, its beginning, or the short form that tables show (of which the beginning counts).
ID_PART = re.compile(r"([0-9a-f][0-9a-f-]{2,35})(?:(?:…|\.\.\.)[0-9a-f]{1,12})?\Z")
MOST_ID = 2**128 - 1
FIRST_YEAR = 2000


class LocalMoment(forms.Field):
    """A date and time in the account's zone, as a browser's picker gives it, or any ISO 8601 with an offset."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "min": "2000-01-01T00:00", "max": "9999-12-30T23:59"})

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(str(value).strip())
            # Of a time that the clocks show twice the first one counts.
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_current_timezone())).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("Write a date and time, such as 2030-01-31T12:00.") from None
        if moment.year < FIRST_YEAR:
            raise ValidationError(f"Nothing is older than the year {FIRST_YEAR}.")
        return moment


class Nano(forms.DecimalField):
    """US dollars; cleaned to nano-USD."""

    def clean(self, value: Any) -> Any:
        dollars = super().clean(value)
        try:
            return None if dollars is None else nano_from_usd(dollars, "This")
        except ValueError as error:
            raise ValidationError(f"{error}.") from None


def _number(field: type[forms.DecimalField], label: str, **options: Any) -> forms.DecimalField:
    widget = forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "min": "0"})
    return field(label=label, min_value=0, max_digits=20, required=False, widget=widget, **options)


class LogForm(forms.Form):
    """The filters of an address; `filters` and `id_bounds` are what the log is asked for."""

    id = forms.CharField(
        label="Inference-Id",
        required=False,
        max_length=60,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": "Find by Inference-Id", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    model = forms.ChoiceField(label="Model", required=False)
    key = forms.ChoiceField(label="Key", required=False)
    status = forms.ChoiceField(label="Status", required=False)
    range = forms.ChoiceField(label="Time", required=False)
    dialect = forms.ChoiceField(label="Dialect", required=False)
    streaming = forms.ChoiceField(label="Streaming", required=False, choices=[("", "Either"), ("yes", "Streamed"), ("no", "Whole answers")])
    start = LocalMoment(label="From", required=False)
    end = LocalMoment(label="Until", required=False)
    min_charged = _number(Nano, "Charged at least")
    max_charged = _number(Nano, "Charged at most")
    min_first_token_s = _number(forms.DecimalField, "First token at least", max_value=LONGEST_S)
    max_first_token_s = _number(forms.DecimalField, "First token at most", max_value=LONGEST_S)
    min_total_s = _number(forms.DecimalField, "Total at least", max_value=LONGEST_S)
    max_total_s = _number(forms.DecimalField, "Total at most", max_value=LONGEST_S)

    # Behind a button; what stands before and after each.
    MORE: ClassVar = {
        "dialect": ("", ""),
        "streaming": ("", ""),
        "start": ("", ""),
        "end": ("", ""),
        "min_charged": ("$", ""),
        "max_charged": ("$", ""),
        "min_first_token_s": ("", "s"),
        "max_first_token_s": ("", "s"),
        "min_total_s": ("", "s"),
        "max_total_s": ("", "s"),
    }

    def __init__(self, data: QueryDict, account: Account) -> None:
        super().__init__(data, auto_id="filter-%s")
        names = Model.objects.order_by("public_id").values_list("public_id", flat=True)
        for name in self.fields.keys() - self.MORE.keys():  # their labels are not shown
            self.fields[name].widget.attrs["aria-label"] = self.fields[name].label
        self._choices("model", "All models", [(name, name) for name in names])
        keys = list(ApiKey.objects.filter(account=account).order_by("-pk")[:MOST_KEYS])
        asked = data.get("key", "")
        if asked.isdecimal() and len(asked) < 19 and all(str(key.pk) != asked for key in keys):
            keys += ApiKey.objects.filter(account=account, pk=int(asked))
        self._choices("key", "All keys", [*((str(key.pk), f"{key.name} (…{key.last4})") for key in keys), (NO_KEY, "Playground")])
        statuses = [(name, STATUS_NAMES[among[0]] if len(among) == 1 else "All but completed") for name, among in STATUSES.items()]
        self._choices("status", "Any status", statuses)
        self._choices("range", "Any time", [(name, words) for name, (words, _) in RANGES.items()])
        self._choices("dialect", "Any", [(name, DIALECT_NAMES[dialect]) for name, dialect in DIALECTS.items()])

    def _choices(self, name: str, everything: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", everything), *choices]

    def clean_id(self) -> str:
        text: str = self.cleaned_data["id"].strip().lower()
        found = ID_PART.match(text)
        if text and (found is None or len(found[1].replace("-", "")) > 32):
            raise ValidationError("An Inference-Id is made of the digits 0 to 9 and a to f; at least its first three.")
        return text

    def clean(self) -> None:
        for least, most, what in (
            ("start", "end", "time"),
            ("min_charged", "max_charged", "charge"),
            ("min_first_token_s", "max_first_token_s", "time to the first token"),
            ("min_total_s", "max_total_s", "total"),
        ):
            low, high = self.cleaned_data.get(least), self.cleaned_data.get(most)
            if low is not None and high is not None and low > high:
                self.add_error(most, f"The {what} ends before it begins." if what == "time" else f"The most is below the least {what}.")

    @property
    def whole_id(self) -> UUID | None:
        """The id that was asked for, if it is a whole one."""
        digits = str(self.cleaned_data.get("id", "")).replace("-", "")
        return UUID(digits) if len(digits) == 32 and digits.isalnum() else None

    @property
    def query(self) -> str:
        """The address's parameters that say something, to be put into other addresses; empty or `a=b&c=d`."""
        return urlencode([(name, value) for name in self.fields if (value := self.data.get(name, "").strip())])

    @property
    def more_fields(self) -> list[tuple[forms.BoundField, str, str]]:
        return [(self[name], *around) for name, around in self.MORE.items()]

    @property
    def more_in_use(self) -> int:
        """How many of the filters are set that stand behind a button."""
        return sum(bool(self.data.get(name, "").strip()) for name in self.MORE)

    @property
    def any_in_use(self) -> bool:
        return bool(self.query)

    @property
    def id_bounds(self) -> tuple[UUID | None, UUID | None]:
        """The ids just below and just above those that begin with what was typed; None, None when nothing was."""
        found = ID_PART.match(self.cleaned_data.get("id") or "")
        if found is None:
            return None, None
        start = found[1].replace("-", "")
        first, last = int(start.ljust(32, "0"), 16), int(start.ljust(32, "f"), 16)
        return UUID(int=first - 1) if first else None, UUID(int=last + 1) if last < MOST_ID else None

    @property
    def filters(self) -> LogFilters:
        """What the log is asked for, but for the id. Only of a valid form."""
        given = self.cleaned_data
        model, key, status, start = given["model"], given["key"], given["status"], given["start"]
        if given["range"]:
            begin = database_now() - RANGES[given["range"]][1]
            start = max(start, begin) if start else begin
        return LogFilters(
            models=list(Model.objects.filter(public_id=model).values_list("pk", flat=True)) if model else None,
            keys=[0 if key == NO_KEY else int(key)] if key else None,
            statuses=STATUSES[status] if status else None,
            dialects=[DIALECTS[given["dialect"]]] if given["dialect"] else None,
            streamed=given["streaming"] == "yes" if given["streaming"] else None,
            start=start,
            end=given["end"],
            least_charged=given["min_charged"],
            most_charged=given["max_charged"],
            least_ms=_milliseconds(given["min_total_s"], ROUND_CEILING),
            most_ms=_milliseconds(given["max_total_s"], ROUND_FLOOR),
            least_first_ms=_milliseconds(given["min_first_token_s"], ROUND_CEILING),
            most_first_ms=_milliseconds(given["max_first_token_s"], ROUND_FLOOR),
        )


def _milliseconds(seconds: Decimal | None, rounding: str) -> int | None:
    return None if seconds is None else int((seconds * 1000).to_integral_value(rounding))
