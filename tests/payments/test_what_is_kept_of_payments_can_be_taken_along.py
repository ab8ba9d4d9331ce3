"""Promise: the export of an account has its cards, payments and receipts; closing the account forgets cards, auto top-up and address."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from apps.billing import auto_topup, cards
from apps.billing.models import AutoTopup, BillingDetails, PaymentMethod, Receipt
from apps.billing.receipts import receipt_of, save_details
from apps.dashboard.closing import delete_user
from apps.dashboard.export import export
from tests.payments.shop import VISA, Payer, Shop

pytestmark = pytest.mark.money


async def exported(payer: Payer) -> dict[str, Any]:
    pieces = [piece async for piece in export(payer.registered.user, payer.registered.account)]
    found: dict[str, Any] = json.loads(b"".join(pieces))
    return found


def test_the_export_has_it_and_closing_forgets_it(shop: Shop) -> None:
    payer = shop.payer(VISA)
    save_details(payer.account, name="Ada GmbH", country="de", tax_id="DE123456789")
    payment = shop.pay_with_card(payer)
    found = asyncio.run(exported(payer))
    assert found["payment_methods"][0]["card"] == "Visa ending in 4242"
    assert found["payments"][0]["amount"] == "25"
    assert found["account"]["billing_details"]["country"] == "DE"
    assert found["payments"][0]["billed_to"]["tax_id"] == "DE123456789"
    auto_topup.configure(payer.account, enabled=True, threshold="5", amount="20", monthly_cap="100")
    account, customer = payer.account, payer.account.customer.stripe_id
    delete_user(payer.registered.user)
    assert not AutoTopup.objects.filter(account=account).exists()
    assert not BillingDetails.objects.filter(account=account).exists()
    assert not PaymentMethod.objects.filter(account=account, removed_at=None).exists()
    cards.forget_removed()
    assert shop.attached_cards(customer) == []
    assert Receipt.objects.filter(payment=payment).exists()


def test_a_receipt_keeps_what_was_there_when_it_was_paid(shop: Shop) -> None:
    payer = shop.payer(VISA)
    save_details(payer.account, name="Ada GmbH")
    payment = shop.pay_with_card(payer)
    save_details(payer.account, name="Another Ltd")
    number = payment.receipt.number
    assert receipt_of(payer.account, number).bill_to["name"] == "Ada GmbH"
    with pytest.raises(Receipt.DoesNotExist):
        receipt_of(shop.payer().account, number)
