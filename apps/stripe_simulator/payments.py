"""How intents move: confirming, 3-D Secure, charges, saving cards. The state is written before a decline is raised."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from apps.stripe_simulator import shapes
from apps.stripe_simulator.cards import Card, card_of, refusal
from apps.stripe_simulator.disputes import open_dispute
from apps.stripe_simulator.errors import StripeError, declined, invalid
from apps.stripe_simulator.store import Object
from apps.stripe_simulator.world import World, public

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
AUTHENTICATE = "Your card was declined. This transaction requires authentication."
NOT_AUTHENTICATED = "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again."


def card_behind(method: Object) -> Card:
    card = card_of(method["_number"])
    assert card is not None, "only test cards become payment methods"
    return card


def attach(world: World, method: Object, customer_id: str) -> Object:
    """Save a card with a customer. StripeError when it is another customer's, or when the bank refuses it."""
    if method["customer"] == customer_id:
        return method
    if method["customer"] or method.get("_detached"):
        raise invalid(
            "This PaymentMethod was previously used or attached and cannot be attached to this Customer.", "payment_method", "payment_method_unexpected_state"
        )  # fmt: skip
    card = card_behind(method)
    if not card.saveable:
        code, reason, message = refusal(card.decline)
        raise declined(message, code, reason, payment_method=public(method))
    return world.save(method | {"customer": customer_id}, "payment_method.attached")


def confirm(world: World, intent: Object, method: Object, *, off_session: bool, return_url: str | None) -> Object:
    """Try to take the money. The intent as it is afterwards: succeeded, or requires_action. StripeError (card_error) when refused."""
    if intent["status"] not in CONFIRMABLE:
        raise invalid(
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.", None, "payment_intent_unexpected_state"
        )
    if method["customer"] and method["customer"] != intent["customer"]:
        raise invalid("The payment method is attached to another customer.", "payment_method", "payment_method_customer_mismatch")
    if method.get("_detached"):
        raise invalid("The PaymentMethod was detached from a customer and cannot be used again.", "payment_method", "resource_missing")
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    card = card_behind(method)
    if card.authentication == "always" or (card.authentication == "unless_saved" and not method["_saved"]):
        if off_session:
            return fail_payment(world, intent, method, ("authentication_required", "authentication_required", AUTHENTICATE))
        return world.save(wait_for_owner(world, intent, return_url), "payment_intent.requires_action")
    return take(world, intent, method, authenticated=False)


def wait_for_owner(world: World, intent: Object, return_url: str | None) -> Object:
    """The intent with the address of the 3-D Secure page as its next action."""
    where = {"url": f"{world.address}/3ds/{intent['id']}", "return_url": return_url}
    action = {"type": "redirect_to_url", "redirect_to_url": where} if return_url else {"type": "use_stripe_sdk", "use_stripe_sdk": where}
    return intent | {"status": "requires_action", "next_action": action}


def take(world: World, intent: Object, method: Object, *, authenticated: bool) -> Object:
    """Ask the bank, after 3-D Secure where that was needed."""
    card = card_behind(method)
    if card.decline:
        return fail_payment(world, intent, method, refusal(card.decline), authenticated=authenticated)
    paid = world.save(shapes.charge(intent, method, failure=None, authenticated=authenticated), "charge.succeeded")
    if intent["setup_future_usage"] and intent["customer"]:
        method = attach(world, method, intent["customer"])
        world.save(method | {"_saved": True})
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": paid["id"]}
    intent = world.save(intent | {"next_action": None, "last_payment_error": None}, "payment_intent.succeeded")
    if card.dispute:
        open_dispute(world, paid, card.dispute, paid["amount"])
    return intent


def fail_payment(world: World, intent: Object, method: Object, failure: tuple[str, str, str], *, authenticated: bool = False) -> Object:
    """Write the failed charge down and raise it. `failure`: code, decline code, message."""
    tried = world.save(shapes.charge(intent, method, failure=failure, authenticated=authenticated), "charge.failed")
    error = _error(failure, method) | {"charge": tried["id"]}
    intent |= {"status": "requires_payment_method", "payment_method": None, "next_action": None}
    intent = world.save(intent | {"latest_charge": tried["id"], "last_payment_error": error}, "payment_intent.payment_failed")
    code, reason, message = failure
    raise declined(message, code, reason, charge=tried["id"], payment_intent=public(intent), payment_method=public(method))


def confirm_setup(world: World, intent: Object, method: Object, return_url: str | None) -> Object:
    """Check a card and save it. The intent afterwards: succeeded or requires_action. StripeError (card_error) when refused."""
    if intent["status"] not in CONFIRMABLE:
        raise invalid(
            f"You cannot confirm this SetupIntent because it has a status of {intent['status']}.", None, "setup_intent_unexpected_state"
        )
    intent |= {"payment_method": method["id"], "last_setup_error": None, "next_action": None}
    card = card_behind(method)
    if not card.saveable:
        return fail_setup(world, intent, method, refusal(card.decline))
    if card.authentication != "never":
        return world.save(wait_for_owner(world, intent, return_url), "setup_intent.requires_action")
    return finish_setup(world, intent, method)


def finish_setup(world: World, intent: Object, method: Object) -> Object:
    if intent["customer"]:
        method = attach(world, method, intent["customer"])
    world.save(method | {"_saved": True})
    return world.save(intent | {"status": "succeeded", "next_action": None}, "setup_intent.succeeded")


def fail_setup(world: World, intent: Object, method: Object, failure: tuple[str, str, str]) -> Object:
    intent |= {"status": "requires_payment_method", "payment_method": None, "next_action": None}
    intent = world.save(intent | {"last_setup_error": _error(failure, method)}, "setup_intent.setup_failed")
    code, reason, message = failure
    raise declined(message, code, reason, setup_intent=public(intent), payment_method=public(method))


def authenticate(world: World, intent: Object, passed: bool) -> Object:
    """What the owner did on the 3-D Secure page. StripeError (card_error) when they failed it, or when the bank refuses afterwards."""
    if intent["status"] != "requires_action":
        raise invalid("Nobody is asked to authenticate this any more.", None, f"{intent['object']}_unexpected_state")
    method = world.get("payment_method", intent["payment_method"])
    setup = intent["object"] == "setup_intent"
    if not passed:
        failure = (f"{intent['object']}_authentication_failure", "authentication_required", NOT_AUTHENTICATED)
        return (fail_setup if setup else fail_payment)(world, intent, method, failure)
    return finish_setup(world, intent, method) if setup else take(world, intent, method, authenticated=True)


def after_authentication(intent: Object, error: StripeError | None) -> str:
    """The return address with Stripe's fields, which say how it went; empty when the intent names none."""
    action = intent["next_action"] or {}
    address = (action.get("redirect_to_url") or {}).get("return_url") or ""
    if not address:
        return ""
    fields = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "failed" if error else "succeeded",
    }
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(fields)}"


def _error(failure: tuple[str, str, str], method: Object) -> dict[str, Any]:
    code, reason, message = failure
    return {"type": "card_error", "code": code, "decline_code": reason, "message": message, "payment_method": public(method)}
