"""Refunds and disputes: money that goes back."""

from __future__ import annotations

from typing import Any, Literal

from apps.stripe_simulator import shapes
from apps.stripe_simulator.cards import card_of
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.store import Object
from apps.stripe_simulator.world import World

CLOSED = ("won", "lost")


def refund(world: World, paid: Object, amount: int | None, **fields: Any) -> Object:
    """Give back `amount` cents, or all that is left. StripeError when there is not so much left, or a dispute took it."""
    left = paid["amount"] - paid["amount_refunded"]
    if paid["status"] != "succeeded":
        raise invalid("This charge did not succeed and cannot be refunded.", "charge", "charge_not_refundable")
    if left == 0:
        raise invalid(f"Charge {paid['id']} has already been refunded.", "charge", "charge_already_refunded")
    if paid["disputed"] and any(each["status"] != "won" for each in disputes_of(world, paid)):
        raise invalid(f"Charge {paid['id']} has been charged back; cannot issue a refund.", "charge", "charge_disputed")
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise invalid(
            f"Refund amount ({amount}) is not above 0 and at most the unrefunded amount on charge ({left}).", "amount", "amount_too_large"
        )
    card = card_of(world.get("payment_method", paid["payment_method"])["_number"])
    status = "pending" if card is not None and card.refund == "pending" else "succeeded"
    made = world.save(shapes.refund(paid, amount, status=status, **fields), "refund.created")
    refunded = paid["amount_refunded"] + amount
    before = {"amount_refunded": paid["amount_refunded"], "refunded": paid["refunded"]}
    world.save(paid | {"amount_refunded": refunded, "refunded": refunded == paid["amount"]}, "charge.refunded", **before)
    if card is not None and card.refund == "failed":
        made = end_refund(world, made, "failed")
    return made


def end_refund(world: World, made: Object, status: Literal["succeeded", "failed"]) -> Object:
    """The bank's answer to a refund. One that fails puts the money back with us."""
    if made["status"] == "failed":
        raise invalid("This refund has failed already.")
    before = {"status": made["status"]}
    if status == "succeeded":
        return world.save(made | {"status": status}, "refund.updated", **before)
    paid = world.get("charge", made["charge"])
    world.save(paid | {"amount_refunded": paid["amount_refunded"] - made["amount"], "refunded": False}, "charge.updated")
    return world.save(made | {"status": status, "failure_reason": "expired_or_canceled_card"}, "refund.updated", "refund.failed", **before)


def open_dispute(world: World, paid: Object, reason: str, amount: int) -> Object:
    """The card's owner asks for their money back: it is taken from us until the dispute is won."""
    if paid["status"] != "succeeded" or paid["disputed"]:
        raise invalid("This charge cannot be disputed: it did not succeed, or it was disputed before.", "charge")
    if not 0 < amount <= paid["amount"]:
        raise invalid("A dispute is about an amount above 0 and at most that of the charge.", "amount")
    world.save(paid | {"disputed": True}, "charge.updated", disputed=False)
    return world.save(shapes.dispute(paid, amount, reason), "charge.dispute.created", "charge.dispute.funds_withdrawn")


def close_dispute(world: World, made: Object, status: Literal["won", "lost"]) -> Object:
    if made["status"] in CLOSED:
        raise invalid(f"This dispute is {made['status']} already.", None, "dispute_already_closed")
    before = {"status": made["status"]}
    events = ["charge.dispute.closed", *(["charge.dispute.funds_reinstated"] if status == "won" else [])]
    return world.save(made | {"status": status}, *events, **before)


def disputes_of(world: World, paid: Object) -> list[Object]:
    return [each for each in world.store.all("dispute") if each["charge"] == paid["id"]]
