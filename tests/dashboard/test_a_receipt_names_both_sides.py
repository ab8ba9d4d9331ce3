"""Promise: a receipt says who sold what to whom, with tax ids and what went back, the same on its page and in its PDF; later edits change none."""

from __future__ import annotations

import pytest
from django.test import override_settings

from apps.accounts.actions import Registered
from apps.billing.models import Receipt, Reversal, ReversalKind
from apps.billing.receipts import save_details
from apps.core.money import NANO_PER_USD
from apps.dashboard.receipt_paper import dollars, paper_of
from apps.dashboard.receipt_pdf import pdf_of
from tests.dashboard.browsing import logged_in
from tests.dashboard.money import paid
from tests.people import new_customer

DETAILS = {
    "name": "Ωmega Łódź sp. z o.o.", "line1": "ул. Пушкина 1", "line2": "", "postal_code": "90-001", "city": "Łódź", "region": "", "country": "PL",
    "tax_id": "PL1234567890",
}  # fmt: skip
SELLER = override_settings(
    SELLER_NAME="Inference Ltd", SELLER_ADDRESS=["1 Main St", "Dublin"], SELLER_TAX_ID="IE99", SELLER_FOOTNOTE="Reverse charge."
)


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def receipt(alice: Registered) -> Receipt:
    save_details(alice.account, **DETAILS)
    return paid(alice.account, 1025)


@SELLER
def test_both_sides_and_the_sum(alice: Registered, receipt: Receipt) -> None:
    paper = paper_of(receipt)
    assert list(paper.seller) == ["Inference Ltd", "1 Main St", "Dublin", "Tax id: IE99"]
    assert [line for line in paper.buyer if "@" not in line] == [
        "Ωmega Łódź sp. z o.o.",
        "ул. Пушкина 1",
        "90-001 Łódź",
        "PL",
        "Tax id: PL1234567890",
    ]
    assert list(paper.lines) == [("Credit for inference", "$1,025.00"), ("Total, US dollars", "$1,025.00")]
    page = logged_in(alice.user).get(f"/settings/billing/receipts/{receipt.number}").text
    for text in (*paper.seller, *paper.buyer, receipt.invoice_number, "$1,025.00", "Reverse charge."):
        assert text in page


@SELLER
def test_the_pdf_is_one_page_in_any_alphabet_we_have_letters_for(alice: Registered, receipt: Receipt) -> None:
    answer = logged_in(alice.user).get(f"/settings/billing/receipts/{receipt.number}.pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert f"{receipt.invoice_number}.pdf" in answer.headers["Content-Disposition"]
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.count(b"/Type /Page\n") == 1
    assert len(answer.content) < 100_000  # of the fonts only the letters that are there
    receipt.refresh_from_db()
    receipt.bill_to = receipt.bill_to | {"name": "名前 עברית \N{GRINNING FACE}"}
    assert pdf_of(receipt, paper_of(receipt)).startswith(b"%PDF-")


def test_what_went_back_stands_on_it(receipt: Receipt) -> None:
    for kind, usd in ((ReversalKind.REFUND, 25), (ReversalKind.DISPUTE, 100)):
        Reversal.objects.create(
            payment=receipt.payment, kind=kind, status="succeeded", amount=usd * NANO_PER_USD, booked=usd * NANO_PER_USD
        )
    texts, amounts = zip(*paper_of(receipt).lines, strict=True)
    assert amounts == ("$1,025.00", "−$25.00", "−$100.00", "$900.00")
    assert texts[1].startswith("Refunded, ")
    Reversal.objects.filter(payment=receipt.payment).delete()


def test_later_details_change_no_earlier_receipt(alice: Registered, receipt: Receipt) -> None:
    client = logged_in(alice.user)
    answer = client.post("/settings/billing/details", DETAILS | {"name": "Another GmbH", "country": "DE"})
    assert answer.status_code == 302
    receipt.refresh_from_db()
    assert "Ωmega Łódź sp. z o.o." in paper_of(receipt).buyer
    assert "Another GmbH" in paper_of(paid(alice.account, 10)).buyer


@pytest.mark.parametrize(
    ("country", "status"), [("DE", 302), ("us", 302), ("XK", 302), ("", 302), ("Poland", 422), ("ZZ", 422), ("UK", 422)]
)
def test_a_country_is_one_that_there_is(alice: Registered, country: str, status: int) -> None:
    answer = logged_in(alice.user).post("/settings/billing/details", DETAILS | {"country": country})
    assert answer.status_code == status
    of_two_letters = country in ("ZZ", "UK")  # the form itself says what is wrong with a longer one
    assert ("Write the country as its two letters" in answer.text) == of_two_letters


def test_amounts_are_whole_cents() -> None:
    assert [dollars(cents * 10_000_000) for cents in (0, 5, 123456, -5)] == ["$0.00", "$0.05", "$1,234.56", "−$0.05"]
