"""Mails about money. Each kind of notice is a template, templates/billing/email/<kind>.html, in the blocks that templates/mail lays out.

Every one is given `account`, `notice`, `balance` (nano-USD), `billing_url`, `site_url`, and:

| kind | and |
|---|---|
| receipt, auto_topup_done | `payment`, `receipt` |
| auto_topup_failed, auto_topup_paused | `reason` (text), `payment` (or None) |
| auto_topup_capped | `auto_topup` |
| low_balance | `threshold` (nano-USD), `auto_topup` (AutoTopup or None) |
| trial_expiring | `pool` |
| card_expiring | `card` |
| refunded | `payment`, `amount` (nano-USD) |
| suspended | `debt` (nano-USD) |
| reinstated | nothing |
| budget | `percent`, `budget` and `spent` (nano-USD), `month` (date, its first day) |
"""

from __future__ import annotations

from datetime import date
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings

from apps.accounts.queries import verified_email
from apps.billing.credits import balance
from apps.billing.models import AutoTopup, CreditPool, Notice, Payment, PaymentMethod

BILLING_PATH = "/settings/billing"
# Of the facts of a notice those that are nano-USD.
AMOUNTS = frozenset({"threshold", "amount", "debt", "budget", "spent"})


def send(notice: Notice) -> None:
    """To the account's first owner. Raises OSError when the mail server cannot be used. Nobody is left to write to: nothing is sent."""
    address = verified_email(notice.account)
    if address:
        get_adapter().render_mail(f"billing/email/{notice.kind}", address, context_of(notice)).send()


def context_of(notice: Notice) -> dict[str, Any]:
    """What the template of a notice is given."""
    facts = notice.facts
    context: dict[str, Any] = {name: facts[name] for name in (*AMOUNTS, "reason", "percent") if name in facts}
    context |= {
        "account": notice.account,
        "notice": notice,
        "balance": balance(notice.account_id).remaining,
        "billing_url": f"{settings.BASE_URL}{BILLING_PATH}",
        "auto_topup": AutoTopup.objects.filter(account_id=notice.account_id).first(),
        "payment": None,
        "receipt": None,
    }
    if "month" in facts:
        context["month"] = date.fromisoformat(f"{facts['month']}-01")
    if "payment" in facts:
        payment = Payment.objects.select_related("receipt").get(pk=facts["payment"], account_id=notice.account_id)
        context |= {"payment": payment, "receipt": getattr(payment, "receipt", None)}
    if "pool" in facts:
        context["pool"] = CreditPool.objects.get(pk=facts["pool"], account_id=notice.account_id)
    if "card" in facts:
        context["card"] = PaymentMethod.objects.get(pk=facts["card"], account_id=notice.account_id)
    return context
