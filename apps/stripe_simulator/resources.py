"""What each address of the API does. A handler takes the world, the ids in the address and the parameters, and returns an object."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apps.stripe_simulator import checkout, disputes, forms, payments, shapes
from apps.stripe_simulator.cards import BY_READY_MADE
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.listing import PAGING, page, search
from apps.stripe_simulator.store import Object, now
from apps.stripe_simulator.world import World

Handler = Callable[..., Object]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """`{}` in the path is an id, handed over in order."""

    def register(handler: Handler) -> Handler:
        ROUTES.append((method, re.compile(path.replace("{}", r"([A-Za-z0-9_-]{1,255})")), handler))
        return handler

    return register


def find_route(method: str, path: str) -> tuple[Handler, tuple[str, ...]]:
    """StripeError (404) when there is nothing at that address."""
    for verb, pattern, handler in ROUTES:
        if verb == method and (found := pattern.fullmatch(path)):
            return handler, found.groups()
    raise invalid(f"Unrecognized request URL ({method}: {path[:200]}).", status=404)


def texts(params: Params, *names: str) -> dict[str, Any]:
    """Those of the text fields that were sent; sent empty, they become null."""
    return {name: forms.text(params, name) for name in names if name in params}


# --- Customers --------------------------------------------------------------------------------------------------------
CUSTOMER = ("address", "description", "email", "invoice_settings", "metadata", "name", "phone", "preferred_locales", "tax_exempt")


@route("POST", "/v1/customers")
def create_customer(world: World, params: Params) -> Object:
    return world.save(_customer_with(world, shapes.customer(), params), "customer.created")


@route("GET", "/v1/customers/search")
def search_customers(world: World, params: Params) -> Object:
    return search(_living_customers(world), params, "/v1/customers/search", world.store.setting("search_lag_s", 0))


@route("GET", "/v1/customers/{}")
def get_customer(world: World, params: Params, customer_id: str) -> Object:
    found = world.get("customer", customer_id)
    return {"id": found["id"], "object": "customer", "deleted": True} if found.get("deleted") else found


@route("POST", "/v1/customers/{}")
def update_customer(world: World, params: Params, customer_id: str) -> Object:
    return world.save(_customer_with(world, _living(world, customer_id), params), "customer.updated")


@route("DELETE", "/v1/customers/{}")
def delete_customer(world: World, params: Params, customer_id: str) -> Object:
    gone = _living(world, customer_id)
    for method in _methods_of(world, customer_id):
        world.save(method | {"customer": None, "_detached": True}, "payment_method.detached")
    world.save(gone | {"deleted": True}, "customer.deleted")
    return {"id": customer_id, "object": "customer", "deleted": True}


@route("GET", "/v1/customers")
def list_customers(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "email"))
    email = forms.text(params, "email")
    return page([each for each in _living_customers(world) if email in (None, each["email"])], params, "/v1/customers")


@route("GET", "/v1/customers/{}/payment_methods")
def list_methods_of_customer(world: World, params: Params, customer_id: str) -> Object:
    forms.only(params, (*PAGING, "type", "allow_redisplay"))
    _living(world, customer_id)
    return page(_methods_of(world, customer_id), params, f"/v1/customers/{customer_id}/payment_methods")


def _living_customers(world: World) -> list[Object]:
    return [each for each in world.store.all("customer") if not each.get("deleted")]


def _living(world: World, customer_id: str) -> Object:
    found = world.get("customer", customer_id)
    if found.get("deleted"):
        raise invalid(f"No such customer: '{customer_id}'", "id", "resource_missing", 404)
    return found


def _methods_of(world: World, customer_id: str) -> list[Object]:
    return [each for each in world.store.all("payment_method") if each["customer"] == customer_id]


def _customer_with(world: World, customer: Object, params: Params) -> Object:
    forms.only(params, CUSTOMER)
    customer |= texts(params, "description", "email", "name", "phone", "tax_exempt") | {
        "metadata": forms.metadata(params, customer["metadata"])
    }
    if "address" in params:
        customer["address"] = shapes.NO_ADDRESS | forms.group(params, "address") if params["address"] else None
    settings = forms.group(params, "invoice_settings")
    forms.only(settings, ("default_payment_method",))
    if "default_payment_method" in settings:
        method_id = forms.text(settings, "default_payment_method")
        if method_id and world.get("payment_method", method_id, "invoice_settings[default_payment_method]")["customer"] != customer["id"]:
            raise invalid(
                "The customer does not have a payment method with that ID.", "invoice_settings[default_payment_method]", "resource_missing"
            )
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": method_id}
    return customer


# --- Payment methods --------------------------------------------------------------------------------------------------
def usable_method(world: World, method_id: str, param: str = "payment_method") -> Object:
    """The method of that id; one of Stripe's ready-made ids (pm_card_visa) is a new method each time."""
    if method_id in BY_READY_MADE:
        return world.save(shapes.payment_method(BY_READY_MADE[method_id], 12, 2034))
    return world.get("payment_method", method_id, param)


@route("POST", "/v1/payment_methods")
def create_method(world: World, params: Params) -> Object:
    forms.only(params, ("type", "card", "billing_details", "metadata", "allow_redisplay"))
    if forms.required(params, "type") != "card":
        raise invalid("Only cards are known here.", "type")
    card = forms.group(params, "card")
    if token := forms.text(card, "token"):
        ready = BY_READY_MADE.get(token.replace("tok_", "pm_card_", 1))
        if ready is None:
            raise invalid(f"No such token: '{token[:100]}'", "card[token]", "resource_missing")
        return world.save(shapes.payment_method(ready, 12, 2034))
    return checkout.typed_card(world, *(forms.required(card, name) for name in ("number", "exp_month", "exp_year")))


@route("GET", "/v1/payment_methods/{}")
def get_method(world: World, params: Params, method_id: str) -> Object:
    return world.get("payment_method", method_id)


@route("POST", "/v1/payment_methods/{}")
def update_method(world: World, params: Params, method_id: str) -> Object:
    forms.only(params, ("billing_details", "card", "metadata", "allow_redisplay"))
    method = world.get("payment_method", method_id)
    method["metadata"] = forms.metadata(params, method["metadata"])
    method["billing_details"] = method["billing_details"] | forms.group(params, "billing_details")
    card = forms.group(params, "card")
    forms.only(card, ("exp_month", "exp_year"))
    method["card"] = method["card"] | {name: forms.integer(card, name) for name in card}
    return world.save(method, "payment_method.updated")


@route("GET", "/v1/payment_methods")
def list_methods(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer", "type"))
    return page(_methods_of(world, forms.required(params, "customer")), params, "/v1/payment_methods")


@route("POST", "/v1/payment_methods/{}/attach")
def attach_method(world: World, params: Params, method_id: str) -> Object:
    forms.only(params, ("customer",))
    return payments.attach(world, usable_method(world, method_id, "id"), _living(world, forms.required(params, "customer"))["id"])


@route("POST", "/v1/payment_methods/{}/detach")
def detach_method(world: World, params: Params, method_id: str) -> Object:
    method = world.get("payment_method", method_id)
    owner_id = method["customer"]
    if owner_id is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.", "payment_method")
    owner = world.get("customer", owner_id)
    if owner["invoice_settings"]["default_payment_method"] == method_id:
        world.save(owner | {"invoice_settings": owner["invoice_settings"] | {"default_payment_method": None}}, "customer.updated")
    return world.save(method | {"customer": None, "_detached": True}, "payment_method.detached", customer=owner_id)


# --- Setup intents ----------------------------------------------------------------------------------------------------
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
        fields["customer"] = _living(world, customer)["id"]
    intent = world.save(shapes.setup_intent(**fields), "setup_intent.created")
    return confirm_setup(world, _without(params, "confirm"), intent["id"]) if forms.flag(params, "confirm") else intent


@route("GET", "/v1/setup_intents/{}")
def get_setup(world: World, params: Params, intent_id: str) -> Object:
    return world.get("setup_intent", intent_id)


@route("GET", "/v1/setup_intents")
def list_setups(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer", "payment_method"))
    return page(_matching(world.store.all("setup_intent"), params, "customer", "payment_method"), params, "/v1/setup_intents")


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


# --- Payment intents --------------------------------------------------------------------------------------------------
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
        fields["customer"] = _living(world, customer)["id"]
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
    return page(_matching(world.store.all("payment_intent"), params, "customer"), params, "/v1/payment_intents")


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


# --- Charges, refunds, disputes ---------------------------------------------------------------------------------------
@route("GET", "/v1/charges/{}")
def get_charge(world: World, params: Params, charge_id: str) -> Object:
    return world.get("charge", charge_id)


@route("GET", "/v1/charges")
def list_charges(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "customer", "payment_intent"))
    return page(_matching(world.store.all("charge"), params, "customer", "payment_intent"), params, "/v1/charges")


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
    return page(_matching(world.store.all("refund"), params, "charge", "payment_intent"), params, "/v1/refunds")


@route("GET", "/v1/disputes/{}")
def get_dispute(world: World, params: Params, dispute_id: str) -> Object:
    return world.get("dispute", dispute_id)


@route("POST", "/v1/disputes/{}/close")
def close_dispute(world: World, params: Params, dispute_id: str) -> Object:
    return disputes.close_dispute(world, world.get("dispute", dispute_id), "lost")


@route("GET", "/v1/disputes")
def list_disputes(world: World, params: Params) -> Object:
    forms.only(params, (*PAGING, "charge", "payment_intent"))
    return page(_matching(world.store.all("dispute"), params, "charge", "payment_intent"), params, "/v1/disputes")


# --- Events and Checkout ----------------------------------------------------------------------------------------------
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
    found = _matching(world.store.all("checkout.session"), params, "customer", "payment_intent", "status")
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


def _matching(items: list[Object], params: Params, *names: str) -> list[Object]:
    wanted = {name: value for name in names if (value := forms.text(params, name))}
    return [item for item in items if all(item[name] == value for name, value in wanted.items())]


def _without(params: Params, name: str) -> Params:
    return {key: value for key, value in params.items() if key != name}
