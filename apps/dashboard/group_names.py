"""What the values are called by which sums are split (apps/usage/figures.py, Group)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.accounts.models import Account
from apps.api_keys.models import ApiKey
from apps.catalog.models import Model
from apps.dashboard.log_filters import NO_KEY, STATUSES
from apps.dashboard.log_rows import STATUS_NAMES
from apps.usage.figures import Group
from apps.usage.models import Status

PLAYGROUND = "Playground"


@dataclass(frozen=True, slots=True)
class Name:
    """`text` is for charts, `before` and `after` stand beside it in tables. `filter` is the value that the log's filter of this group takes;
    empty where there is none."""

    text: str
    before: str = ""
    after: str = ""
    filter: str = ""

    @property
    def full(self) -> str:
        return f"{self.before}{self.text} {self.after}".rstrip()


def names_of(account: Account, group: Group, values: Iterable[int]) -> dict[int, Name]:
    """A name for each value."""
    found: dict[int, Name] = {}
    if group == Group.MODEL:
        for model in Model.objects.filter(pk__in=list(values)):
            found[model.pk] = Name(model.short_name, before=model.organisation, filter=model.public_id)
    elif group == Group.KEY:
        found[0] = Name(PLAYGROUND, filter=NO_KEY)
        for key in ApiKey.objects.filter(account=account, pk__in=list(values)):
            found[key.pk] = Name(key.name, after=f"…{key.last4}", filter=str(key.pk))
    elif group == Group.STATUS:
        words = {among[0]: word for word, among in STATUSES.items() if len(among) == 1}
        found = {status.value: Name(STATUS_NAMES[status], filter=words[status]) for status in Status}
    named = {value: found.get(value, Name(f"Gone ({value})")) for value in values}
    taken = [name.text for name in named.values()]
    # Two of one name are told apart wherever they are shown.
    return {
        value: replace(name, text=name.full, before="", after="") if taken.count(name.text) > 1 else name for value, name in named.items()
    }
