"""Which time the usage page shows, and how it is split: read from an address."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict

from apps.usage import ranges
from apps.usage.figures import Group
from apps.usage.ranges import Range

LENGTHS = {"1h": timedelta(hours=1), "24h": timedelta(days=1)}
DAYS = {"7d": 7, "30d": 30, "90d": 90, "1y": 365}
SHORT = {"1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d", "1y": "1 y", "month": "Month", "custom": "Custom"}
WORDS = {
    "1h": "last hour",
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "30d": "last 30 days",
    "90d": "last 90 days",
    "1y": "last year",
    "month": "this month",
}
GROUPS = {"model": Group.MODEL, "key": Group.KEY, "status": Group.STATUS}
USUAL_RANGE, USUAL_GROUP = "30d", "model"
FIRST = date(2020, 1, 1)
LONGEST = timedelta(days=5 * 366)


class RangeForm(forms.Form):
    """`?range=`, `?by=` and for a range of one's own the days `?first_day=` and `?last_day=`, both included. Absent ones are the usual."""

    range = forms.ChoiceField(label="Range", required=False, choices=list(SHORT.items()), widget=forms.RadioSelect)
    by = forms.ChoiceField(
        label="Group by",
        required=False,
        choices=[("model", "By model"), ("key", "By key"), ("status", "By status")],
        widget=forms.Select(attrs={"aria-label": "Group by"}),
    )
    first_day = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    last_day = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))

    def __init__(self, data: QueryDict, zone: ZoneInfo, now: datetime) -> None:
        filled: dict[str, Any] = {
            "range": data.get("range") or USUAL_RANGE,
            "by": data.get("by") or USUAL_GROUP,
            "first_day": data.get("first_day", ""),
            "last_day": data.get("last_day", ""),
        }
        if filled["range"] == "custom" and not filled["first_day"]:
            today = now.astimezone(zone).date()
            filled["first_day"], filled["last_day"] = str(today - timedelta(days=29)), filled["last_day"] or str(today)
        super().__init__(filled, auto_id="usage-%s")
        self.zone, self.now = zone, now

    def clean(self) -> None:
        if self.cleaned_data.get("range") != "custom":
            return
        today = self.now.astimezone(self.zone).date()
        first_day, last_day = self.cleaned_data.get("first_day"), self.cleaned_data.get("last_day")
        if first_day and first_day < FIRST:
            self.add_error("first_day", f"Nothing is older than {FIRST}.")
        elif first_day and first_day > (last_day or today):
            self.add_error("last_day", "It ends before it begins.")
        elif first_day and (last_day or today) - first_day > LONGEST:
            self.add_error("last_day", "At most five years at a time.")

    @property
    def of(self) -> Range:
        """The range that was asked for; only of a valid form."""
        name: str = self.cleaned_data["range"]
        if name in LENGTHS:
            return ranges.last(LENGTHS[name], self.now, self.zone)
        if name in DAYS:
            return ranges.last_days(DAYS[name], self.now, self.zone)
        if name == "month":  # up to today, so that it is compared with as many days
            today = ranges.day_of(self.now, self.zone)
            return Range(ranges.month_of(self.now, self.zone).start, today.end, self.zone)
        first_day: date = self.cleaned_data["first_day"]
        last_day: date = self.cleaned_data["last_day"] or self.now.astimezone(self.zone).date()
        return Range(ranges.midnight(first_day, self.zone), ranges.midnight(last_day + timedelta(days=1), self.zone), self.zone)

    @property
    def group(self) -> Group:
        return GROUPS[self.cleaned_data["by"]]

    @property
    def words(self) -> str:
        """`last 30 days`, or the days themselves."""
        name: str = self.cleaned_data["range"]
        if name in WORDS:
            return WORDS[name]
        of = self.of
        first, last = of.start.astimezone(self.zone), (of.end - timedelta(seconds=1)).astimezone(self.zone)
        return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}"

    @property
    def query(self) -> str:
        """The parameters that differ from the usual, to be put into other addresses."""
        usual = {"range": USUAL_RANGE, "by": USUAL_GROUP}
        return urlencode([(name, value) for name, value in self.data.items() if value and usual.get(name) != value])
