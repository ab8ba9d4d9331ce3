"""What every part of the simulator works with: the store, the addresses, and the way events are made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from apps.stripe_simulator import shapes
from apps.stripe_simulator.errors import missing
from apps.stripe_simulator.store import Object, Store

NAMES = {
    "customer": "customer",
    "payment_method": "PaymentMethod",
    "payment_intent": "payment_intent",
    "setup_intent": "setupintent",
    "checkout.session": "checkout.session",
}


@dataclass
class World:
    """`address`: where browsers reach the simulator, such as http://127.0.0.1:8123. `webhook_url`: where events go, unless the
    store names another address. `request`: ids of the request being served and of its idempotency key."""

    store: Store
    address: str
    webhook_url: str = ""
    request: tuple[str | None, str | None] = (None, None)

    def get(self, kind: str, object_id: str, param: str = "id") -> Object:
        """StripeError (404 resource_missing) when there is none."""
        found = self.store.find(object_id, kind)
        if found is None:
            raise missing(NAMES.get(kind, kind), object_id, param)
        return found

    def save(self, item: Object, *events: str, **before: Any) -> Object:
        """Keep the object, and tell the webhooks about it once for each name of an event."""
        self.store.save(item)
        for kind in events:
            self.emit(kind, item, before or None)
        return item

    def emit(self, kind: str, item: Object, before: Object | None = None) -> None:
        """An event with the object as it is now; it goes out after the transaction, if a webhook is known."""
        hooked = bool(self.store.setting("webhook_url", self.webhook_url))
        made = shapes.event(kind, public(item), before, self.request) | {"pending_webhooks": int(hooked)}
        self.store.save(made)
        if hooked:
            self.store.db.execute("INSERT INTO delivery (event, due) VALUES (?, ?)", (made["id"], time.time()))


def public(item: Any) -> Any:
    """The object without what is ours alone."""
    if isinstance(item, dict):
        return {name: public(value) for name, value in item.items() if not name.startswith("_")}
    return [public(each) for each in item] if isinstance(item, list) else item
