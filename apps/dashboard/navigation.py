"""The pages there are, in the order in which the sidebar and the command palette show them.

A page appears here when it exists, and nowhere before: add an Entry with the name of its URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A page: `route` is the name of its URL, `icon` one of apps/core/icons.py, `words` what else people may call it.

    Its entry is marked on every page whose address begins with its own, or with one of `also`; of several the longest counts.
    """

    title: str
    route: str
    icon: str
    words: str = ""
    staff: bool = False
    also: Sequence[str] = ()


# The sidebar, in groups that a line parts.
SIDEBAR: Sequence[Sequence[Entry]] = (
    (
        Entry("Dashboard", "dashboard", "home", "overview start balance"),
        Entry("Playground", "playground", "play", "chat compare models try prompt test"),
        Entry("Models", "models", "models", "catalogue prices pricing context compare capabilities"),
        Entry("API keys", "api-keys", "key", "token secret limits rate management"),
        Entry("Presets", "presets", "sliders", "slug system prompt parameters versions share import export"),
        Entry("Usage", "usage", "usage", "spend cost tokens charts forecast export trend"),
        Entry("Inferences", "inferences", "list", "log requests history latency errors cost"),
        Entry("Billing", "billing", "card", "balance credit top-up payment card auto receipts invoices transactions"),
    ),
    (
        Entry("Docs", "docs", "book", "documentation guide help how to api reference"),
        Entry("Settings", "settings", "gear", "profile security password passkey sessions export delete", also=("/accounts",)),
    ),
)

# The menu under the user's own address, between the theme and "Log out".
ACCOUNT_MENU: Sequence[Entry] = (
    Entry("Admin site", "admin:index", "shield", "staff models prices backends", staff=True),
    Entry("Style", "style", "palette", "components design", staff=True),
    Entry("Mails", "mails", "mail", "preview templates notices", staff=True),
)

# Found by the command palette alone: what stands within another page.
MORE: Sequence[Entry] = (
    Entry("Security", "security", "shield", "password passkey two-factor totp sessions recovery codes"),
    Entry("Alerts", "alerts", "bell", "budget threshold webhook mail spend notify limit"),
    Entry("Your data", "account-data", "download", "export delete account"),
    Entry("Billing details", "billing-details", "pencil", "address tax id vat company receipts invoices"),
    Entry("Pricing", "pricing", "card", "prices cost per token"),
    Entry("Request a model", "ask-for-model", "plus", "missing wanted ask"),
    Entry("Start page", "home", "globe", "landing prices"),
)
