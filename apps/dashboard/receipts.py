"""The pages of receipts. Those of others are not found."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account
from apps.billing.models import Receipt
from apps.billing.receipts import receipt_of
from apps.dashboard.receipt_paper import paper_of
from apps.dashboard.receipt_pdf import pdf_of


@login_required
@require_safe
def receipt(request: HttpRequest, number: int) -> HttpResponse:
    found = receipt_or_404(request, number)
    return render(request, "billing/receipt.html", {"receipt": found, "paper": paper_of(found)})


@login_required
@require_safe
def receipt_pdf(request: HttpRequest, number: int) -> HttpResponse:
    found = receipt_or_404(request, number)
    response = HttpResponse(pdf_of(found, paper_of(found)), content_type="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="akashml-receipt-{found.invoice_number}.pdf"'
    return response


def receipt_or_404(request: HttpRequest, number: int) -> Receipt:
    try:
        return receipt_of(acting_account(request), number)
    except Receipt.DoesNotExist:
        raise Http404 from None
