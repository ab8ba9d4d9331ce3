"""A receipt as a PDF of one page, in A4. The font has Latin, Greek and Cyrillic letters; others are shown as boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import font_source_sans_pro

from apps.billing.models import Receipt
from apps.dashboard.receipt_paper import Paper

if TYPE_CHECKING:
    from fpdf import FPDF

FONTS = Path(font_source_sans_pro.__file__).parent / "files"
MARGIN, WIDTH = 22, 166  # mm
INK, QUIET, LINE = (22, 22, 24), (100, 100, 106), (208, 208, 212)
ACCENT = (213, 58, 18)


def pdf_of(receipt: Receipt, paper: Paper) -> bytes:
    from fpdf import FPDF  # here, since it takes half a second, which every process and command would spend at its start

    page = FPDF(format="A4")
    page.set_title(f"Receipt {receipt.invoice_number}")
    page.set_creator("AkashML")
    page.set_creation_date(receipt.issued_at)
    page.set_margin(MARGIN)
    page.add_font("Sans", "", FONTS / "SourceSansPro-Regular.ttf")
    page.add_font("Sans", "B", FONTS / "SourceSansPro-Semibold.ttf")
    page.add_page()
    _head(page, receipt)
    _parties(page, paper)
    _lines(page, receipt, paper)
    return bytes(page.output())


def _head(page: FPDF, receipt: Receipt) -> None:
    _text(page, "Receipt", size=24, bold=True, height=12)
    page.set_draw_color(*ACCENT)
    page.set_line_width(0.8)
    page.line(MARGIN, page.get_y() + 1, MARGIN + 18, page.get_y() + 1)
    page.ln(7)
    for name, value in (
        ("Number", receipt.invoice_number),
        ("Date", f"{receipt.issued_at:%-d %B %Y}"),
        ("Paid with", receipt.payment.paid_with or "Card"),
    ):
        page.set_text_color(*QUIET)
        page.cell(30, 6, name)
        page.set_text_color(*INK)
        page.cell(0, 6, value, new_x="LMARGIN", new_y="NEXT")
    page.ln(8)


def _parties(page: FPDF, paper: Paper) -> None:
    top = page.get_y()
    lowest = top
    for place, (title, lines) in enumerate((("From", paper.seller), ("To", paper.buyer))):
        page.set_xy(MARGIN + place * WIDTH / 2, top)
        left = page.get_x()
        page.set_text_color(*QUIET)
        page.cell(WIDTH / 2, 6, title, new_x="LEFT", new_y="NEXT")
        page.set_text_color(*INK)
        for line in lines:
            page.set_x(left)
            page.multi_cell(WIDTH / 2 - 6, 5.5, line, new_x="LEFT", new_y="NEXT", align="L")
        lowest = max(lowest, page.get_y())
    page.set_xy(MARGIN, lowest + 12)


def _lines(page: FPDF, receipt: Receipt, paper: Paper) -> None:
    page.set_draw_color(*LINE)
    page.set_line_width(0.2)
    for number, (text, amount) in enumerate(paper.lines, start=1):
        page.set_font("Sans", "B" if number == len(paper.lines) else "", 11)
        page.cell(WIDTH - 40, 10, text, border="T")
        page.cell(40, 10, amount, border="T", align="R", new_x="LMARGIN", new_y="NEXT")
    page.ln(8)
    _text(page, f"Paid in full, in US dollars. {paper.footnote}".strip(), size=9, colour=QUIET)


def _text(page: FPDF, text: str, *, size: int, bold: bool = False, height: float = 5, colour: tuple[int, int, int] = INK) -> None:
    page.set_font("Sans", "B" if bold else "", size)
    page.set_text_color(*colour)
    page.multi_cell(0, height, text, new_x="LMARGIN", new_y="NEXT")
    page.set_font("Sans", "", 11)
