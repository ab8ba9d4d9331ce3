"""What mails about money look like, for staff: every kind with invented facts, as HTML, text or list. To others it does not exist."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.models import Account
from apps.billing.errors import explanation
from apps.billing.models import AutoTopup, CreditPool, Notice, NoticeKind, Payment, PaymentMethod, PoolKind, Receipt
from apps.core.ids import uuid7
from apps.core.money import NANO_PER_USD

# A mail's styles stand in it, and it loads nothing: everything else stays forbidden.
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    staff_only(request)
    rows = [(kind.value, kind.label, message(kind).subject) for kind in NoticeKind]
    return render(request, "billing/mails.html", {"rows": rows})


@require_safe
def mail(request: HttpRequest, kind: str) -> HttpResponse:
    """`?text`: as programs without HTML show it."""
    staff_only(request)
    if kind not in NoticeKind.values:
        raise Http404
    made = message(NoticeKind(kind))
    if "text" in request.GET:
        return HttpResponse(f"Subject: {made.subject}\n\n{made.body}", content_type="text/plain; charset=utf-8")
    return HttpResponse(str(made.alternatives[0][0]), headers={"Content-Security-Policy": MAIL_POLICY})


def message(kind: NoticeKind) -> EmailMultiAlternatives:
    made = get_adapter().render_mail(f"billing/email/{kind}", "customer@example.com", example(kind))
    assert isinstance(made, EmailMultiAlternatives)
    return made


def example(kind: NoticeKind) -> dict[str, Any]:
    """Facts as mails.context_of gives them, about nobody: none of these rows is in the database."""
    now, account = timezone.now(), Account(name="Example")
    card = PaymentMethod(account=account, brand="visa", last4="4242", exp_month=now.month, exp_year=now.year)
    payment = Payment(id=uuid7(), account=account, amount=25 * NANO_PER_USD, paid_with=str(card), payment_method=card)
    pool = CreditPool(
        account=account, kind=PoolKind.TRIAL, granted=5 * NANO_PER_USD, remaining=3_214_000_000, expires_at=now + timedelta(days=3)
    )
    auto = AutoTopup(account=account, enabled=True, threshold=10 * NANO_PER_USD, amount=25 * NANO_PER_USD, monthly_cap=100 * NANO_PER_USD)
    return {
        "account": account,
        "notice": Notice(account=account, kind=kind),
        "balance": 4_180_000_000,
        "billing_url": f"{settings.BASE_URL}{reverse('billing')}",
        "payment": payment,
        "receipt": Receipt(number=1042, payment=payment, account=account, issued_at=now, bill_to={}),
        "reason": explanation("insufficient_funds"),
        "auto_topup": auto,
        "threshold": 5 * NANO_PER_USD,
        "pool": pool,
        "card": card,
        "amount": 10 * NANO_PER_USD,
        "debt": 12_500_000_000,
        "percent": 80,
        "budget": 100 * NANO_PER_USD,
        "spent": 80_412_000_000,
        "month": now.date().replace(day=1),
    }


def staff_only(request: HttpRequest) -> None:
    if not (request.user.is_authenticated and request.user.is_staff):
        raise Http404
