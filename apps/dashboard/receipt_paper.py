"""A receipt's text, for its page, its PDF and its mail: who sold, who bought, what for. Amounts are written to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from apps.billing.models import Receipt, ReversalKind
from apps.billing.models.payments import NANO_PER_CENT

BACK = {ReversalKind.REFUND: "Refunded", ReversalKind.DISPUTE: "Taken back by the bank"}


@dataclass(frozen=True, slots=True)
class Paper:
    """Lines of text. Of `lines`, pairs of a text and an amount, the last is the total."""

    seller: Sequence[str]
    buyer: Sequence[str]
    lines: Sequence[tuple[str, str]]
    footnote: str


def paper_of(receipt: Receipt) -> Paper:
    payment, back = receipt.payment, [each for each in receipt.payment.reversals.order_by("created_at") if each.booked]
    lines = [("Credit for inference", dollars(payment.amount))]
    lines += [(f"{BACK[ReversalKind(each.kind)]}, {each.created_at:%-d %b %Y}", dollars(-each.booked)) for each in back]
    lines.append(("Total, US dollars", dollars(payment.amount - sum(each.booked for each in back))))
    return Paper(seller(), buyer(receipt.bill_to), lines, settings.SELLER_FOOTNOTE)


def seller() -> list[str]:
    tax = f"Tax id: {settings.SELLER_TAX_ID}" if settings.SELLER_TAX_ID else ""
    return [line for line in (settings.SELLER_NAME, *settings.SELLER_ADDRESS, tax) if line]


def buyer(details: dict[str, str]) -> list[str]:
    """From the fields of BillingDetails, and the e-mail address."""
    get = details.get
    town = " ".join(part for part in (get("postal_code"), get("city")) if part)
    place = ", ".join(part for part in (town, get("region")) if part)
    tax = f"Tax id: {get('tax_id')}" if get("tax_id") else ""
    return [line for line in (get("name"), get("line1"), get("line2"), place, get("country"), get("email"), tax) if line]


def dollars(nano: int) -> str:
    """`$1,025.00` or `−$5.00`: whole cents, as payments are."""
    cents = abs(nano) // NANO_PER_CENT
    return f"{chr(0x2212) if nano < 0 else ''}${cents // 100:,}.{cents % 100:02d}"
