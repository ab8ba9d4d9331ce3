"""What tests buy."""

from __future__ import annotations

from typing import Any

import stripe


def pay_session(client: stripe.StripeClient, customer: str, cents: int = 2500, **more: Any) -> stripe.checkout.Session:
    line = {"price_data": {"currency": "usd", "unit_amount": cents, "product_data": {"name": "Credit"}}, "quantity": 1}
    return client.v1.checkout.sessions.create(
        {"mode": "payment", "customer": customer, "line_items": [line], "success_url": "http://shop.test/done?s={CHECKOUT_SESSION_ID}", "cancel_url": "http://shop.test/no", **more}
    )  # fmt: skip


def setup_session(client: stripe.StripeClient, customer: str) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create(
        {"mode": "setup", "customer": customer, "currency": "usd", "success_url": "http://shop.test/saved"}
    )


def charge(client: stripe.StripeClient, customer: str, card: str, cents: int = 1000, key: str = "", **more: Any) -> stripe.PaymentIntent:
    """Off session, as auto top-up does it."""
    params: Any = {
        "amount": cents,
        "currency": "usd",
        "customer": customer,
        "payment_method": card,
        "off_session": True,
        "confirm": True,
        **more,
    }
    return client.v1.payment_intents.create(params, {"idempotency_key": key} if key else {})
