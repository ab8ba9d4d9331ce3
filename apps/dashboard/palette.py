"""What the command palette (Ctrl K) finds: pages, models, the account's own keys. It lists nothing that is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.api_keys.queries import keys_of
from apps.dashboard.docs.tree import TREE
from apps.dashboard.landing import price_list
from apps.dashboard.shell import Shell, shell_of

MOST_KEYS = 200


@dataclass(frozen=True, slots=True)
class Item:
    """Goes to `url`, or copies the text `copies`. `words` are found too but not shown; `hint` is both."""

    title: str
    icon: str
    url: str = ""
    copies: str = ""
    hint: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: Sequence[Item]


def pages(shell: Shell) -> Group:
    links = [link for group in shell.groups for link in group] + shell.account_menu + shell.more
    return Group("Pages", [Item(link.title, link.icon, link.url, words=link.words) for link in links])


def models(shell: Shell) -> Group:
    """Every model that can be called; choosing one copies its id."""
    offered = [price.model for price in price_list()]
    return Group("Models", [Item(model.public_id, "models", copies=model.public_id, hint="copy id", words=model.name) for model in offered])


def own_keys(shell: Shell) -> Group:
    """The account's keys, newest first; a key that was revoked is not looked for any more."""
    keys = keys_of(shell.account)[:MOST_KEYS] if shell.account else []
    new = Item("New API key", "plus", f"{reverse('api-keys')}?new", words="create make")
    return Group("API keys", [new, *(Item(key.name, "key", reverse("api-key", args=[key.pk]), hint=f"akml-…{key.last4}") for key in keys)])


def money(shell: Shell) -> Group:
    """What is done about money."""
    details = Item("Export transactions", "download", reverse("transactions-csv"), words="csv billing ledger")
    return Group(
        "Billing", [*([Item("Top up", "plus", shell.top_up_url, words="pay credit balance")] if shell.top_up_url else []), details]
    )


def guide(shell: Shell) -> Group:
    return Group("Docs", [Item(leaf.title, "book", leaf.url, words=branch.title) for branch in TREE for leaf in branch.leaves])


# Later pages add theirs. A group without items is left out.
SOURCES: Sequence[Callable[[Shell], Group]] = (pages, own_keys, money, models, guide)


@require_safe
def palette(request: HttpRequest) -> HttpResponse:
    """The items as HTML, fetched when the palette is first opened (static/js/palette.js). 401 for who is not logged in."""
    if not request.user.is_authenticated:
        return HttpResponse("Log in first.", status=401, content_type="text/plain")
    shell = shell_of(request)
    groups = [group for source in SOURCES if (group := source(shell)).items]
    return render(request, "partials/palette_items.html", {"groups": groups})
