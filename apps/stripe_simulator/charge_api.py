"""`/v1/charges`, `/v1/refunds`, `/v1/disputes`, `/v1/events`, `/v1/checkout/sessions` and `/v1/account`."""

from __future__ import annotations

import re

from apps.stripe_simulator import checkout, disputes, forms
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.listing import PAGING, page
from apps.stripe_simulator.routing import matching, route, texts
from apps.stripe_simulator.store import Object
from apps.stripe_simulator.world import World


@route("GET", "/v1/charges/{}")
def get_charge(world: World, params: Params, charge_id: str) -> Object:
    return world.get("charge", charge_id)


@route("GET", "/v1/charges")
def list_charges(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer", "payment_intent"))
    return page(matching(world.store.all("charge"), params, "customer", "payment_intent"), params, "/v1/charges")


@route("POST", "/v1/refunds")
def create_refund(world: World, params: Params) -> Object:
    forms.only(params, ("charge", "payment_intent", "amount", "metadata", "reason"))
    charge_id, intent_id = forms.text(params, "charge"), forms.text(params, "payment_intent")
    if bool(charge_id) == bool(intent_id):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.", "charge")
    if intent_id:
        intent = world.get("payment_intent", intent_id, "payment_intent")
        if intent["status"] != "succeeded":
            raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent", "charge_not_refundable")
        charge_id = intent["latest_charge"]
    fields = {"metadata": forms.metadata(params)} | texts(params, "reason")
    return disputes.refund(world, world.get("charge", charge_id or "", "charge"), forms.integer(params, "amount"), **fields)


@route("GET", "/v1/refunds/{}")
def get_refund(world: World, params: Params, refund_id: str) -> Object:
    return world.get("refund", refund_id)


@route("POST", "/v1/refunds/{}")
def update_refund(world: World, params: Params, refund_id: str) -> Object:
    forms.only(params, ("metadata",))
    made = world.get("refund", refund_id)
    return world.save(made | {"metadata": forms.metadata(params, made["metadata"])}, "refund.updated")


@route("GET", "/v1/refunds")
def list_refunds(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "charge", "payment_intent"))
    return page(matching(world.store.all("refund"), params, "charge", "payment_intent"), params, "/v1/refunds")


@route("GET", "/v1/disputes/{}")
def get_dispute(world: World, params: Params, dispute_id: str) -> Object:
    return world.get("dispute", dispute_id)


@route("POST", "/v1/disputes/{}/close")
def close_dispute(world: World, params: Params, dispute_id: str) -> Object:
    return disputes.close_dispute(world, world.get("dispute", dispute_id), "lost")


@route("GET", "/v1/disputes")
def list_disputes(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "charge", "payment_intent"))
    return page(matching(world.store.all("dispute"), params, "charge", "payment_intent"), params, "/v1/disputes")


@route("GET", "/v1/events/{}")
def get_event(world: World, params: Params, event_id: str) -> Object:
    return world.get("event", event_id)


@route("GET", "/v1/events")
def list_events(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "type", "types", "delivery_success"))
    kinds = [*forms.items(params, "types"), *filter(None, [forms.text(params, "type")])]
    patterns = [re.compile(re.escape(kind).replace(r"\*", ".*")) for kind in kinds]
    found = [each for each in world.store.all("event") if not patterns or any(one.fullmatch(each["type"]) for one in patterns)]
    return page(found, params, "/v1/events")


@route("POST", "/v1/checkout/sessions")
def create_session(world: World, params: Params) -> Object:
    return checkout.create(world, params)


@route("GET", "/v1/checkout/sessions/{}")
def get_session(world: World, params: Params, session_id: str) -> Object:
    return world.get("checkout.session", session_id)


@route("GET", "/v1/checkout/sessions")
def list_sessions(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer", "payment_intent", "status"))
    found = matching(world.store.all("checkout.session"), params, "customer", "payment_intent", "status")
    return page(found, params, "/v1/checkout/sessions")


@route("GET", "/v1/checkout/sessions/{}/line_items")
def list_line_items(world: World, params: Params, session_id: str) -> Object:
    return page(world.get("checkout.session", session_id)["_line_items"], params, f"/v1/checkout/sessions/{session_id}/line_items")


@route("POST", "/v1/checkout/sessions/{}/expire")
def expire_session(world: World, params: Params, session_id: str) -> Object:
    return checkout.expire(world, world.get("checkout.session", session_id))


@route("GET", "/v1/account")
def get_account(world: World, params: Params) -> Object:
    return {
        "id": "acct_simulated",
        "object": "account",
        "country": "US",
        "default_currency": "usd",
        "charges_enabled": True,
        "type": "standard",
    }
