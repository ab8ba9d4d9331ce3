"""`/v1/customers` and `/v1/payment_methods`."""

from __future__ import annotations

from apps.stripe_simulator import checkout, forms, payments, shapes
from apps.stripe_simulator.cards import BY_READY_MADE
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.listing import PAGING, page, search
from apps.stripe_simulator.routing import route, texts
from apps.stripe_simulator.store import Object
from apps.stripe_simulator.world import World

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
    return world.save(_customer_with(world, living_customer(world, customer_id), params), "customer.updated")


@route("DELETE", "/v1/customers/{}")
def delete_customer(world: World, params: Params, customer_id: str) -> Object:
    gone = living_customer(world, customer_id)
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
    living_customer(world, customer_id)
    return page(_methods_of(world, customer_id), params, f"/v1/customers/{customer_id}/payment_methods")


def _living_customers(world: World) -> list[Object]:
    return [each for each in world.store.all("customer") if not each.get("deleted")]


def living_customer(world: World, customer_id: str) -> Object:
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
    return payments.attach(world, usable_method(world, method_id, "id"), living_customer(world, forms.required(params, "customer"))["id"])


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
