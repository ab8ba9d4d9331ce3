"""New objects in Stripe's shapes. Amounts are whole cents, times Unix seconds. Names that begin with _ are not sent."""

from __future__ import annotations

from typing import Any

from apps.stripe_simulator.cards import Card
from apps.stripe_simulator.store import Object, new_id, now

API_VERSION = "2026-10-28.endive"
SESSION_LIFE_S = 24 * 3600
NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def new(kind: str, prefix: str, **fields: Any) -> Object:
    """An object of test mode, made now."""
    return {"id": new_id(prefix), "object": kind, "created": now(), "livemode": False, "metadata": {}} | fields


def customer(**fields: Any) -> Object:
    return (
        new("customer", "cus")
        | {"address": None, "balance": 0, "currency": None, "default_source": None, "delinquent": False, "description": None}
        | {"email": None, "name": None, "phone": None, "preferred_locales": [], "shipping": None, "tax_exempt": "none", "test_clock": None}
        | {"discount": None, "next_invoice_sequence": 1, "invoice_prefix": new_id("x")[2:10].upper()}
        | {"invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None}}
        | fields
    )


def payment_method(card: Card, exp_month: int, exp_year: int, **fields: Any) -> Object:
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
    shown = {
        "brand": card.brand,
        "checks": checks,
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    details = {"address": NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
    basis = new("payment_method", "pm", type="card", card=shown, billing_details=details, customer=None, allow_redisplay="unspecified")
    return basis | {"_number": card.number, "_saved": False} | fields


def payment_intent(amount: int, currency: str, **fields: Any) -> Object:
    made = new("payment_intent", "pi", amount=amount, currency=currency)
    return (
        made
        | {"amount_capturable": 0, "amount_details": {"tip": {}}, "amount_received": 0, "application": None, "application_fee_amount": None}
        | {"automatic_payment_methods": None, "canceled_at": None, "cancellation_reason": None, "capture_method": "automatic"}
        | {
            "client_secret": f"{made['id']}_secret_{new_id('x')[2:]}",
            "confirmation_method": "automatic",
            "customer": None,
            "description": None,
        }
        | {"last_payment_error": None, "latest_charge": None, "next_action": None, "on_behalf_of": None, "payment_method": None}
        | {"payment_method_options": {}, "payment_method_types": ["card"], "processing": None, "receipt_email": None, "review": None}
        | {"setup_future_usage": None, "shipping": None, "source": None, "statement_descriptor": None, "statement_descriptor_suffix": None}
        | {"status": "requires_payment_method", "transfer_data": None, "transfer_group": None}
        | fields
    )


def setup_intent(**fields: Any) -> Object:
    made = new("setup_intent", "seti")
    return (
        made
        | {"application": None, "automatic_payment_methods": None, "cancellation_reason": None, "customer": None, "description": None}
        | {
            "client_secret": f"{made['id']}_secret_{new_id('x')[2:]}",
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
        }
        | {"mandate": None, "next_action": None, "on_behalf_of": None, "payment_method": None, "payment_method_options": {}}
        | {"payment_method_types": ["card"], "single_use_mandate": None, "status": "requires_payment_method", "usage": "off_session"}
        | fields
    )


def charge(intent: Object, method: Object, *, failure: tuple[str, str, str] | None, authenticated: bool) -> Object:
    """The charge of an attempt. `failure`: code, decline code and message, when the bank said no."""
    code, reason, message = failure or (None, None, None)
    card = method["card"]
    secure = {"authentication_flow": "challenge", "result": "authenticated", "result_reason": None, "version": "2.2.0"}
    details = {
        "amount_authorized": intent["amount"],
        **{name: card[name] for name in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")},
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "three_d_secure": secure if authenticated else None,
        "wallet": None,
    }
    outcome = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if failure else "approved_by_network",
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "The bank did not return any further details with this decline." if failure else "Payment complete.",
        "type": "issuer_declined" if failure else "authorized",
    }
    return (
        new("charge", "ch", amount=intent["amount"], currency=intent["currency"], metadata=dict(intent["metadata"]))
        | {"amount_captured": 0 if failure else intent["amount"], "amount_refunded": 0, "application": None, "application_fee": None}
        | {
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "captured": not failure,
        }
        | {"calculated_statement_descriptor": "AKASHML", "customer": intent["customer"], "description": intent["description"]}
        | {"disputed": False, "failure_balance_transaction": None, "failure_code": code, "failure_message": message, "fraud_details": {}}
        | {"on_behalf_of": None, "outcome": outcome, "paid": not failure, "payment_intent": intent["id"], "payment_method": method["id"]}
        | {"payment_method_details": {"card": details, "type": "card"}, "receipt_email": intent["receipt_email"], "receipt_number": None}
        | {"receipt_url": None, "refunded": False, "review": None, "shipping": None, "source": None, "source_transfer": None}
        | {"statement_descriptor": None, "statement_descriptor_suffix": None, "status": "failed" if failure else "succeeded"}
        | {"transfer_data": None, "transfer_group": None}
    )


def refund(paid: Object, amount: int, **fields: Any) -> Object:
    made = new("refund", "re", amount=amount, currency=paid["currency"], charge=paid["id"], payment_intent=paid["payment_intent"])
    del made["livemode"]  # a refund has none
    return (
        made
        | {"balance_transaction": None, "destination_details": {"card": {"type": "refund"}, "type": "card"}, "reason": None}
        | {"receipt_number": None, "source_transfer_reversal": None, "status": "succeeded", "transfer_reversal": None}
        | fields
    )


def dispute(paid: Object, amount: int, reason: str) -> Object:
    made = new("dispute", "du", amount=amount, currency=paid["currency"], charge=paid["id"], payment_intent=paid["payment_intent"])
    brand = paid["payment_method_details"]["card"]["brand"]
    return made | {
        "balance_transactions": [],
        "enhanced_eligibility_types": [],
        "evidence": {"uncategorized_text": None, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": made["created"] + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "payment_method_details": {
            "card": {"brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }


def session(mode: str, address: str, **fields: Any) -> Object:
    """A Checkout session; its page is at `address`/c/pay/ID."""
    made = new("checkout.session", "cs_test", mode=mode)
    return (
        made
        | {"adaptive_pricing": {"enabled": False}, "after_expiration": None, "allow_promotion_codes": None, "amount_subtotal": None}
        | {"amount_total": None, "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None}}
        | {"billing_address_collection": None, "cancel_url": None, "client_reference_id": None, "client_secret": None, "consent": None}
        | {"collected_information": None, "consent_collection": None, "currency": None, "currency_conversion": None, "custom_fields": []}
        | {"custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"))}
        | {"customer": None, "customer_creation": None, "customer_details": None, "customer_email": None, "discounts": None}
        | {"expires_at": made["created"] + SESSION_LIFE_S, "invoice": None, "invoice_creation": None, "locale": None}
        | {"origin_context": None, "payment_intent": None, "payment_link": None, "payment_method_collection": "if_required"}
        | {"payment_method_configuration_details": None, "payment_method_options": {}, "payment_method_types": ["card"]}
        | {"payment_status": "unpaid" if mode == "payment" else "no_payment_required", "permissions": None}
        | {"phone_number_collection": {"enabled": False}, "recovered_from": None, "saved_payment_method_options": None}
        | {"setup_intent": None, "shipping_address_collection": None, "shipping_cost": None, "shipping_options": [], "status": "open"}
        | {"submit_type": None, "subscription": None, "success_url": None, "total_details": None, "ui_mode": "hosted_page"}
        | {"url": f"{address}/c/pay/{made['id']}", "wallet_options": None}
        | fields
    )


def line_item(name: str, unit_amount: int, currency: str, quantity: int) -> Object:
    total = unit_amount * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": currency,
        "description": name,
        "quantity": quantity,
    }


def event(kind: str, item: Object, before: Object | None, request: tuple[str | None, str | None]) -> Object:
    """`before`: earlier values of what changed. `request`: ids of the request that caused it and of its idempotency key."""
    data = {"object": item} | ({"previous_attributes": before} if before else {})
    made = new("event", "evt", api_version=API_VERSION, data=data, pending_webhooks=0, type=kind)
    del made["metadata"]  # an event has none
    return made | {"request": {"id": request[0], "idempotency_key": request[1]}}
