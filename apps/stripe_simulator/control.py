"""`/_control/…`: what tests and developers may see and do that Stripe's API does not offer. JSON in, JSON out; README.md lists it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from apps.stripe_simulator import checkout, disputes, faults, payments
from apps.stripe_simulator.errors import StripeError, invalid
from apps.stripe_simulator.http import Answer, Request, in_json
from apps.stripe_simulator.store import Object
from apps.stripe_simulator.webhooks import ORDERS, Webhooks, arranged
from apps.stripe_simulator.world import World, public

Body = dict[str, Any]
SETTINGS: dict[str, type | tuple[type, ...]] = {
    "url": str, "secret": str, "paused": bool, "copies": int, "order": str, "first_retry_s": (int, float),
}  # fmt: skip


class Control:
    """`after`: called when something was written."""

    def __init__(self, world: World, hooks: Webhooks, after: Callable[[], None]) -> None:
        self.world, self.hooks, self.after = world, hooks, after
        self.writes: dict[str, Callable[[Body], Any]] = {
            "reset": self.reset,
            "settings": self.settings,
            "faults": self.fault,
            "webhooks": self.webhooks,
            "webhooks/drop": self.drop,
            "payment_methods": self.payment_method,
            "pay": self.pay,
            "authenticate": self.authenticate,
            "disputes": self.dispute,
            "disputes/close": self.close_dispute,
            "refunds/end": self.end_refund,
        }
        self.sends: dict[str, Callable[[Body], Awaitable[Any]]] = {"webhooks/flush": self.flush, "webhooks/send": self.send}
        self.reads: dict[str, Callable[[], Any]] = {
            "books": self.books,
            "faults": lambda: [asdict(each) for each in faults.waiting(self.world.store)],
            "deliveries": self.deliveries,
        }

    async def serve(self, request: Request) -> Answer:
        name = request.path.removeprefix("/_control/").strip("/")
        try:
            if request.method == "GET" and name in self.reads:
                return in_json(public(self.reads[name]()))
            if request.method == "POST" and name in self.writes:
                with self.world.store.transaction():
                    done = public(self.writes[name](_body(request)))
                self.after()
                return in_json(done)
            if request.method == "POST" and name in self.sends:
                return in_json(await self.sends[name](_body(request)))
            raise invalid(f"There is no {request.method} /_control/{name[:100]}", status=404)
        except StripeError as error:
            self.after()
            return in_json(error.body, error.status)
        except KeyError as error:
            return in_json(invalid(f"Missing: {error}").body, 400)

    # --- State --------------------------------------------------------------------------------------------------------
    def reset(self, body: Body) -> Body:
        self.world.store.clear()
        return {}

    def settings(self, body: Body) -> Body:
        """`search_lag_s`: searches do not find what is younger than that, as Stripe's index may not."""
        self.world.store.set("search_lag_s", float(body["search_lag_s"]))
        return body

    def fault(self, body: Body) -> Body:
        """Plan a fault; {} forgets those that wait."""
        if body:
            faults.add(self.world.store, faults.Fault.read(body))
        else:
            self.world.store.db.execute("DELETE FROM fault")
        return body

    def books(self) -> Body:
        """What each customer paid and got back, in cents, and everything it is the sum of."""
        charges, refunds, disputed = (self.world.store.all(kind) for kind in ("charge", "refund", "dispute"))
        customers: dict[str, dict[str, int]] = {}
        owner = {each["id"]: each["customer"] or "" for each in charges}
        for customer_id in owner.values():
            customers.setdefault(customer_id, {"received": 0, "refunded": 0, "disputed": 0, "net": 0})
        for kind, rows in (
            ("received", [(each["id"], each["amount"]) for each in charges if each["status"] == "succeeded"]),
            ("refunded", [(each["charge"], each["amount"]) for each in refunds if each["status"] != "failed"]),
            ("disputed", [(each["charge"], each["amount"]) for each in disputed if each["status"] != "won"]),
        ):
            for charge_id, amount in rows:
                customers[owner[charge_id]][kind] += amount
                customers[owner[charge_id]]["net"] += amount if kind == "received" else -amount
        intents = self.world.store.all("payment_intent")
        return {"customers": customers, "charges": charges, "refunds": refunds, "disputes": disputed, "payment_intents": intents}

    # --- Webhooks -----------------------------------------------------------------------------------------------------
    def deliveries(self) -> list[Body]:
        rows = self.world.store.db.execute(
            "SELECT event, json_extract(body, '$.type'), attempts, status, due IS NULL FROM delivery JOIN object ON object.id = event ORDER BY delivery.seq"
        )
        return [dict(zip(("event", "type", "attempts", "status", "done"), (*row[:4], bool(row[4])), strict=True)) for row in rows]

    def webhooks(self, body: Body) -> Body:
        """Where and how events are sent from now on: url, secret, paused, copies, order, first_retry_s."""
        for name, value in body.items():
            if name not in SETTINGS or not isinstance(value, SETTINGS[name]) or (name == "order" and value not in ORDERS):
                raise invalid(f"Not a setting of webhooks: {name}={value!r}", name)
            self.world.store.set(f"webhook_{name}", value)
        return body

    def drop(self, body: Body) -> Body:
        """Lose what was not delivered yet: it will never be sent."""
        return {"dropped": self.world.store.db.execute("DELETE FROM delivery WHERE due IS NOT NULL").rowcount}

    async def flush(self, body: Body) -> list[Body]:
        """Send everything that waits, paused or not, one after the other: `order`, `copies` (at the same moment)."""
        sent = []
        for number, event_id, _ in arranged(self.hooks.pending(), body.get("order", "created")):
            statuses = await asyncio.gather(*(self.hooks.send(event_id) for _ in range(body.get("copies", 1))))
            self.hooks.note(number, min(statuses, key=lambda status: 200 <= status < 300))
            sent.append({"event": event_id, "statuses": statuses})
        return sent

    async def send(self, body: Body) -> Body:
        """Send one `event` (id) now, `copies` of it at the same moment, whether it was sent before or not."""
        return {"statuses": await asyncio.gather(*(self.hooks.send(body["event"]) for _ in range(body.get("copies", 1))))}

    # --- What customers and banks do ----------------------------------------------------------------------------------
    def payment_method(self, body: Body) -> Object:
        """Save a card with a `customer` as if they had been through Checkout: `number`, `exp_month`, `exp_year`."""
        month, year = str(body.get("exp_month", 12)), str(body.get("exp_year", 2034))
        made = checkout.typed_card(self.world, body.get("number", "4242424242424242"), month, year)
        return self.world.save(payments.attach(self.world, made, body["customer"]) | {"_saved": True})

    def pay(self, body: Body) -> Object:
        """Fill the page of a Checkout `session` in with card `number`; answers the session. `authenticate`: true or false, where the bank asks."""
        session = self.world.get("checkout.session", body["session"])
        made = checkout.typed_card(self.world, body.get("number", "4242424242424242"), "12", "2034", email=body.get("email", ""))
        intent = checkout.submit(self.world, session, made)
        if intent["status"] == "requires_action" and "authenticate" in body:
            self.authenticate({"intent": intent["id"], "passed": body["authenticate"]})
        return self.world.get("checkout.session", session["id"])

    def authenticate(self, body: Body) -> Object:
        """What happened on the 3-D Secure page of an `intent`: `passed`. Completes its Checkout session, if there is one."""
        intent = payments.authenticate(self.world, self.world.store.find(body["intent"]) or {}, body.get("passed", True))
        if (session := checkout.session_of(self.world, intent["id"])) is not None:
            checkout.complete(self.world, session, intent)
        return intent

    def dispute(self, body: Body) -> Object:
        """Dispute a `charge`: `amount` in cents (all of it), `reason`."""
        paid = self.world.get("charge", body["charge"])
        return disputes.open_dispute(self.world, paid, body.get("reason", "fraudulent"), int(body.get("amount") or paid["amount"]))

    def close_dispute(self, body: Body) -> Object:
        """`dispute` ends: `status` won or lost."""
        if body["status"] not in disputes.CLOSED:
            raise invalid("status: won or lost", "status")
        return disputes.close_dispute(self.world, self.world.get("dispute", body["dispute"]), body["status"])

    def end_refund(self, body: Body) -> Object:
        """The bank's answer to a `refund`: `status` succeeded or failed."""
        if body["status"] not in ("succeeded", "failed"):
            raise invalid("status: succeeded or failed", "status")
        return disputes.end_refund(self.world, self.world.get("refund", body["refund"]), body["status"])


def _body(request: Request) -> Body:
    try:
        value = json.loads(request.body or b"{}")
    except ValueError as error:
        raise invalid(f"The body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid("The body is not a JSON object.")
    return value
