"""`/v1/setup_intents` and `/v1/payment_intents`."""

from __future__ import annotations

import re

from apps.stripe_simulator import checkout, forms, payments, shapes
from apps.stripe_simulator.cards import BY_READY_MADE
from apps.stripe_simulator.customer_api import living_customer, usable_method
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.listing import PAGING, page, search
from apps.stripe_simulator.routing import matching, route, texts, without
from apps.stripe_simulator.store import Object, now
from apps.stripe_simulator.world import World

SETUP = (
    "customer",
    "description",
    "metadata",
    "payment_method",
    "usage",
    "confirm",
    "return_url",
    "payment_method_types",
    "automatic_payment_methods",
)


@route("POST", "/v1/setup_intents")
def create_setup(world: World, params: Params) -> Object:
    forms.only(params, SETUP)
    fields = texts(params, "description") | {"metadata": forms.metadata(params), "usage": forms.text(params, "usage", "off_session")}
    if customer := forms.text(params, "customer"):
        fields["customer"] = living_customer(world, customer)["id"]
    intent = world.save(shapes.setup_intent(**fields), "setup_intent.created")
    return confirm_setup(world, without(params, "confirm"), intent["id"]) if forms.flag(params, "confirm") else intent


@route("GET", "/v1/setup_intents/{}")
def get_setup(world: World, params: Params, intent_id: str) -> Object:
    return world.get("setup_intent", intent_id)


@route("GET", "/v1/setup_intents")
def list_setups(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer", "payment_method"))
    return page(matching(world.store.all("setup_intent"), params, "customer", "payment_method"), params, "/v1/setup_intents")


@route("POST", "/v1/setup_intents/{}/confirm")
def confirm_setup(world: World, params: Params, intent_id: str) -> Object:
    forms.only(params, SETUP)
    method = usable_method(world, forms.required(params, "payment_method"))
    return payments.confirm_setup(world, world.get("setup_intent", intent_id), method, forms.text(params, "return_url"))


@route("POST", "/v1/setup_intents/{}/cancel")
def cancel_setup(world: World, params: Params, intent_id: str) -> Object:
    forms.only(params, ("cancellation_reason",))
    intent = world.get("setup_intent", intent_id)
    if intent["status"] not in payments.CONFIRMABLE:
        raise invalid(
            f"You cannot cancel this SetupIntent because it has a status of {intent['status']}.", None, "setup_intent_unexpected_state"
        )
    return world.save(intent | {"status": "canceled", "next_action": None} | texts(params, "cancellation_reason"), "setup_intent.canceled")


CONFIRM = ("payment_method", "off_session", "return_url", "receipt_email", "setup_future_usage", "error_on_requires_action")
PAYMENT = (
    *CONFIRM, "amount", "currency", "confirm", "customer", "description", "metadata", "payment_method_types", "automatic_payment_methods",
    "statement_descriptor_suffix", "allowed_payment_method_types",
)  # fmt: skip


@route("POST", "/v1/payment_intents")
def create_payment(world: World, params: Params) -> Object:
    forms.only(params, PAYMENT)
    forms.required(params, "amount")
    amount, currency = forms.integer(params, "amount") or 0, forms.required(params, "currency").lower()
    checkout.check_amount(amount)
    if not re.fullmatch(r"[a-z]{3}", currency):
        raise invalid(f"Invalid currency: {currency[:20]}", "currency")
    fields = texts(params, "description", "receipt_email", "setup_future_usage", "statement_descriptor_suffix")
    fields["metadata"] = forms.metadata(params)
    if customer := forms.text(params, "customer"):
        fields["customer"] = living_customer(world, customer)["id"]
    ways = forms.group(params, "automatic_payment_methods")
    if ways:
        fields["automatic_payment_methods"] = {
            "enabled": forms.flag(ways, "enabled"),
            "allow_redirects": forms.text(ways, "allow_redirects", "always"),
        }
    confirm = forms.flag(params, "confirm")
    if "off_session" in params and not confirm:
        raise invalid("You can only set off_session when confirm is true.", "off_session")
    intent = shapes.payment_intent(amount, currency, **fields)
    if method_id := forms.text(params, "payment_method"):
        intent |= {"payment_method": usable_method(world, method_id)["id"], "status": "requires_confirmation"}
    world.save(intent, "payment_intent.created")
    return _confirmed(world, params, intent) if confirm else intent


@route("GET", "/v1/payment_intents/search")
def search_payments(world: World, params: Params) -> Object:
    forms.only(params, ("query", "limit", "page"))
    return search(world.store.all("payment_intent"), params, "/v1/payment_intents/search", world.store.setting("search_lag_s", 0))


@route("GET", "/v1/payment_intents/{}")
def get_payment(world: World, params: Params, intent_id: str) -> Object:
    return world.get("payment_intent", intent_id)


@route("POST", "/v1/payment_intents/{}")
def update_payment(world: World, params: Params, intent_id: str) -> Object:
    forms.only(params, ("description", "metadata", "receipt_email"))
    intent = world.get("payment_intent", intent_id)
    return world.save(intent | texts(params, "description", "receipt_email") | {"metadata": forms.metadata(params, intent["metadata"])})


@route("GET", "/v1/payment_intents")
def list_payments(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer"))
    return page(matching(world.store.all("payment_intent"), params, "customer"), params, "/v1/payment_intents")


@route("POST", "/v1/payment_intents/{}/confirm")
def confirm_payment(world: World, params: Params, intent_id: str) -> Object:
    forms.only(params, CONFIRM)
    return _confirmed(world, params, world.get("payment_intent", intent_id))


@route("POST", "/v1/payment_intents/{}/cancel")
def cancel_payment(world: World, params: Params, intent_id: str) -> Object:
    forms.only(params, ("cancellation_reason",))
    intent = world.get("payment_intent", intent_id)
    if intent["status"] not in payments.CONFIRMABLE:
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.", None, "payment_intent_unexpected_state"
        )
    gone = {
        "status": "canceled",
        "canceled_at": now(),
        "next_action": None,
        "cancellation_reason": forms.text(params, "cancellation_reason"),
    }
    return world.save(intent | gone, "payment_intent.canceled")


def _confirmed(world: World, params: Params, intent: Object) -> Object:
    method_id = forms.text(params, "payment_method")
    method = world.store.find(intent["payment_method"]) if intent["payment_method"] else None
    if method is None or (method_id and method_id != method["id"] and method_id not in BY_READY_MADE):
        if method_id is None:
            raise invalid(
                "You cannot confirm this PaymentIntent because it's missing a payment method.", None, "payment_intent_unexpected_state"
            )
        method = usable_method(world, method_id)
    intent |= texts(params, "setup_future_usage", "receipt_email")
    return payments.confirm(
        world, intent, method, off_session=forms.flag(params, "off_session"), return_url=forms.text(params, "return_url")
    )
