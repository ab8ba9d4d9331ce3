"""What the app shell shows around a page: navigation, account, balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from apps.accounts.access import account_or_none
from apps.accounts.models import Account
from apps.billing import credits, stripe_client
from apps.dashboard.navigation import ACCOUNT_MENU, MORE, SIDEBAR, Entry


@dataclass(frozen=True, slots=True)
class Link:
    title: str
    url: str
    icon: str
    words: str
    current: bool


class Shell:
    """Asked by templates/shell.html; what a template does not ask for is not read from the database."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @cached_property
    def groups(self) -> list[list[Link]]:
        return [links for group in SIDEBAR if (links := self._links(group))]

    @cached_property
    def account_menu(self) -> list[Link]:
        return self._links(ACCOUNT_MENU)

    @cached_property
    def more(self) -> list[Link]:
        return self._links(MORE)

    @cached_property
    def account(self) -> Account | None:
        return account_or_none(self.request)

    @cached_property
    def balance(self) -> int:
        """nano-USD."""
        return credits.balance(self.account.pk).remaining if self.account else 0

    @property
    def home(self) -> str:
        return self.groups[0][0].url if self.groups else "/"

    @property
    def top_up_url(self) -> str:
        """Where the dialog opens; empty where this platform takes no payments."""
        return f"{reverse('billing')}?top-up" if stripe_client.configured() else ""

    @property
    def inference_url(self) -> str:
        """The address of an inference's page, with UUID for its id; empty until there is such a page."""
        return _url_if_there("inference", "00000000-0000-0000-0000-000000000000").replace("00000000-0000-0000-0000-000000000000", "UUID")

    def _links(self, entries: Sequence[Entry]) -> list[Link]:
        staff = bool(getattr(self.request.user, "is_staff", False))
        return [self._link(entry) for entry in entries if staff or not entry.staff]

    def _link(self, entry: Entry) -> Link:
        return Link(entry.title, reverse(entry.route), entry.icon, entry.words, entry == self._current)

    @cached_property
    def _current(self) -> Entry | None:
        """The entry whose address is the longest beginning of this page's."""
        entries = [entry for group in (*SIDEBAR, ACCOUNT_MENU) for entry in group]
        here = f"{self.request.path.rstrip('/')}/"
        return max(entries, key=lambda entry: _match(entry, here)) if any(_match(entry, here) for entry in entries) else None


def _match(entry: Entry, path: str) -> int:
    """How many characters of a path, which ends in a slash, are an address of the entry's."""
    addresses = (f"{address.rstrip('/')}/" for address in (reverse(entry.route), *entry.also))
    return max((len(address) for address in addresses if path.startswith(address)), default=0)


def _url_if_there(route: str, *arguments: str) -> str:
    try:
        return reverse(route, args=arguments)
    except NoReverseMatch:
        return ""


def shell_of(request: HttpRequest) -> Shell:
    """One a request, so that its parts are read once."""
    shell: Shell | None = getattr(request, "_shell", None)
    if shell is None:
        shell = Shell(request)
        request._shell = shell  # type: ignore[attr-defined]
    return shell
