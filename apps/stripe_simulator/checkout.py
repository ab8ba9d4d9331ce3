"""Hosted Checkout: sessions, and what happens when a customer pays or saves a card on the page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from apps.stripe_simulator import forms, payments, shapes
from apps.stripe_simulator.cards import NOT_A_TEST_CARD, card_of, is_number
from apps.stripe_simulator.errors import StripeError, declined, invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.store import Object, now
from apps.stripe_simulator.world import World

PARAMS = (
    "mode", "success_url", "cancel_url", "customer", "customer_email", "customer_creation", "customer_update", "client_reference_id",
    "currency", "line_items", "metadata", "payment_intent_data", "setup_intent_data", "payment_method_types", "payment_method_options",
    "expires_at", "locale", "submit_type", "ui_mode", "billing_address_collection", "tax_id_collection", "custom_text",
    "saved_payment_method_options", "allow_promotion_codes", "automatic_tax", "allowed_payment_method_types",
)  # fmt: skip
SHORTEST_LIFE_S, LONGEST_LIFE_S = 30 * 60, 24 * 3600
SMALLEST = 50  # cents; Stripe takes no less
LARGEST = 99_999_999


def create(world: World, params: Params) -> Object:
    """A session in payment or setup mode. StripeError that names the field at fault."""
    forms.only(params, PARAMS)
    mode = forms.required(params, "mode")
    if mode not in ("payment", "setup"):
        raise invalid(f"Invalid mode: must be one of payment or setup here, not {mode[:50]}", "mode")
    fields: dict[str, Any] = {name: forms.text(params, name) for name in ("cancel_url", "client_reference_id", "customer_email", "locale")}
    fields |= {"success_url": forms.required(params, "success_url"), "metadata": forms.metadata(params), "_data": {}}
    for name in ("success_url", "cancel_url"):
        if fields[name] and not re.match(r"https?://[^/\s]+", fields[name]):
            raise invalid(f"Not a valid URL: {name}", name, "url_invalid")
    if customer := forms.text(params, "customer"):
        fields["customer"] = world.get("customer", customer, "customer")["id"]
    if (expires_at := forms.integer(params, "expires_at")) is not None:
        if not SHORTEST_LIFE_S - 60 <= expires_at - now() <= LONGEST_LIFE_S + 60:
            raise invalid("The `expires_at` timestamp must be from 30 minutes to 24 hours from Checkout Session creation.", "expires_at")
        fields["expires_at"] = expires_at
    made = shapes.session(mode, world.address, **fields)
    made |= _payment(params) if mode == "payment" else _setup(world, made, params)
    return world.save(made)


def _payment(params: Params) -> dict[str, Any]:
    if "setup_intent_data" in params:
        raise invalid("You can not pass `setup_intent_data` in `payment` mode.", "setup_intent_data")
    lines = [_line(item, f"line_items[{number}]") for number, item in enumerate(forms.items(params, "line_items"))]
    if not lines:
        raise invalid("Missing required param: line_items.", "line_items", "parameter_missing")
    if len({line["currency"] for line in lines}) != 1:
        raise invalid("All prices on a Checkout session must be in the same currency.", "line_items")
    total = sum(line["amount_total"] for line in lines)
    check_amount(total, "line_items")
    details = forms.group(params, "payment_intent_data")
    forms.only(details, ("metadata", "description", "setup_future_usage", "receipt_email", "statement_descriptor_suffix"))
    data = {
        name: forms.text(details, name) for name in ("description", "setup_future_usage", "receipt_email", "statement_descriptor_suffix")
    }
    return {
        "amount_subtotal": total,
        "amount_total": total,
        "currency": lines[0]["currency"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "_line_items": lines,
        "_data": data | {"metadata": forms.metadata(details)},
    }


def _line(item: Any, where: str) -> Object:
    if not isinstance(item, dict):
        raise invalid(f"Invalid object: {where}", where)
    forms.only(item, ("price_data", "quantity", "adjustable_quantity"))
    price = forms.group(item, "price_data")
    forms.only(price, ("currency", "unit_amount", "product_data", "tax_behavior"))
    amount, quantity = forms.integer(price, "unit_amount"), forms.integer(item, "quantity")
    if amount is None or amount < 0:
        raise invalid(f"Missing or invalid: {where}[price_data][unit_amount]", f"{where}[price_data][unit_amount]")
    if quantity is None or quantity < 1:
        raise invalid(f"Missing or invalid: {where}[quantity]", f"{where}[quantity]")
    return shapes.line_item(
        forms.required(forms.group(price, "product_data"), "name"), amount, forms.required(price, "currency").lower(), quantity
    )


def _setup(world: World, made: Object, params: Params) -> dict[str, Any]:
    for name in ("line_items", "payment_intent_data"):
        if name in params:
            raise invalid(f"You can not pass `{name}` in `setup` mode.", name)
    details = forms.group(params, "setup_intent_data")
    forms.only(details, ("metadata", "description"))
    fields = {"metadata": forms.metadata(details), "description": forms.text(details, "description"), "customer": made["customer"]}
    intent = world.save(shapes.setup_intent(**fields), "setup_intent.created")
    return {"setup_intent": intent["id"], "_line_items": [], "currency": forms.text(params, "currency")}


def check_amount(amount: int, param: str = "amount") -> None:
    if amount < SMALLEST:
        raise invalid("The amount must be greater than or equal to the minimum charge amount allowed: $0.50.", param, "amount_too_small")
    if amount > LARGEST:
        raise invalid("Amount must be no more than $999,999.99.", param, "amount_too_large")


def typed_card(world: World, number: str, month: str, year: str, name: str = "", email: str = "") -> Object:
    """What was typed on a page as a payment method, saved with nobody. StripeError naming the field at fault."""
    digits = re.sub(r"[\s-]", "", number)
    if not is_number(digits):
        raise declined("Your card number is invalid.", "incorrect_number", None, param="number")
    card = card_of(digits)
    if card is None:
        raise declined(NOT_A_TEST_CARD, "card_declined", "test_mode_live_card", param="number")
    if not re.fullmatch(r"0?[1-9]|1[0-2]", month):
        raise declined("Your card's expiration month is invalid.", "invalid_expiry_month", None, param="exp_month")
    full = f"20{year}" if re.fullmatch(r"\d\d", year) else year
    if not re.fullmatch(r"20\d\d", full):
        raise declined("Your card's expiration year is invalid.", "invalid_expiry_year", None, param="exp_year")
    if (int(full), int(month)) < _this_month():
        raise declined("Your card's expiration date is in the past.", "invalid_expiry_year", None, param="exp_year")
    details = {"address": shapes.NO_ADDRESS, "email": email or None, "name": name or None, "phone": None, "tax_id": None}
    return world.save(shapes.payment_method(card, int(month), int(full), billing_details=details))


def _this_month() -> tuple[int, int]:
    today = datetime.fromtimestamp(now(), UTC)
    return today.year, today.month


def submit(world: World, session: Object, method: Object) -> Object:
    """Pay, or save the card. The intent afterwards: succeeded (then the session is complete) or requires_action.

    StripeError (card_error) when refused; the session stays open then."""
    open_only(session)
    if session["mode"] == "setup":
        intent = payments.confirm_setup(world, world.get("setup_intent", session["setup_intent"]), method, return_url=None)
    else:
        intent = payments.confirm(world, _intent_of(world, session), method, off_session=False, return_url=None)
    if intent["status"] == "succeeded":
        complete(world, session, intent)
    return intent


def _intent_of(world: World, session: Object) -> Object:
    """The session's PaymentIntent, made when somebody first tries to pay."""
    if session["payment_intent"]:
        return world.get("payment_intent", session["payment_intent"])
    if session["customer"] is None:
        session |= {"customer": world.save(shapes.customer(email=session["customer_email"]), "customer.created")["id"]}
    fields = {name: value for name, value in session["_data"].items() if value is not None} | {"customer": session["customer"]}
    made = world.save(shapes.payment_intent(session["amount_total"], session["currency"], **fields), "payment_intent.created")
    world.save(session | {"payment_intent": made["id"]})
    session["payment_intent"] = made["id"]
    return made


def complete(world: World, session: Object, intent: Object) -> Object:
    method = world.get("payment_method", intent["payment_method"])
    details = method["billing_details"]
    who = {
        "address": shapes.NO_ADDRESS,
        "email": details["email"],
        "name": details["name"],
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    paid = {"payment_status": "paid"} if session["mode"] == "payment" else {}
    done = session | {"status": "complete", "customer_details": who, "url": None} | paid
    return world.save(done, "checkout.session.completed")


def expire(world: World, session: Object) -> Object:
    open_only(session)
    return world.save(session | {"status": "expired", "url": None}, "checkout.session.expired")


def expire_due(world: World) -> None:
    """End the sessions whose time is over."""
    for session in world.store.due_sessions(now()):
        world.save(session | {"status": "expired", "url": None}, "checkout.session.expired")


def open_only(session: Object) -> None:
    if session["status"] != "open" or session["expires_at"] <= now():
        raise invalid(f"This Checkout Session is {session['status']}: it can no longer be used.", None, "checkout_session_not_open")


def success_url(session: Object) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def session_of(world: World, intent_id: str) -> Object | None:
    """The session whose intent that is."""
    return next((each for each in world.store.all("checkout.session") if intent_id in (each["payment_intent"], each["setup_intent"])), None)


def error_field(error: StripeError) -> str:
    """The field of the page's form that an error is about."""
    fields = error.body["error"]
    return str(fields.get("param") or {"incorrect_cvc": "cvc", "expired_card": "exp_month"}.get(fields.get("code", ""), ""))
