"""What staff do to accounts. Each deed and its entry in the audit trail are committed together."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import BigIntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Now
from django.http import HttpRequest

from apps.accounts.access import current_user
from apps.accounts.models import Account, AccountStatus
from apps.audit.models import Entry
from apps.audit.trail import record
from apps.billing import reversals, suspension
from apps.billing.credits import ReferenceReused, grant_credit, lock_account
from apps.billing.models import CreditPool, Payment, PoolKind, Reversal
from apps.core.money import NANO_PER_USD, display_usd, usd_from_nano

GRANT = "grant"


@transaction.atomic
def grant(
    request: HttpRequest, account: Account, token: UUID, amount: int, kind: PoolKind, expires_at: datetime | None, reason: str
) -> bool:
    """Grants `amount` nano-USD, once a token; whether it is new. Raises ValidationError naming the field, for more than one may grant and
    for a token that was used for something else."""
    lock_account(account.pk)
    user = current_user(request)
    if not user.has_perm("staff.grant") and not Entry.objects.filter(action=GRANT, object_id=str(token)).exists():
        _refuse_large(user.email, account.pk, amount)
    try:
        made = grant_credit(account.pk, amount, kind, f"staff:{token}", expires_at=expires_at, note=reason)
    except ReferenceReused:
        raise ValidationError("This form was sent before, with another amount: open the page anew.") from None
    if made.created:
        pool = CreditPool.objects.get(pk=made.pool_id)
        said = {"usd": usd_from_nano(amount), "nano_usd": amount, "kind": kind.label, "expires_at": expires_at}
        record(request, GRANT, pool, after=said, what=f"Granted {display_usd(amount)}.", reason=reason)
    return made.created


def _refuse_large(email: str, account_id: int, amount: int) -> None:
    """Under the account's lock, so that two at once are counted one after the other."""
    most = int(settings.STAFF_SMALL_GRANT_USD * NANO_PER_USD)
    lately = Entry.objects.filter(account_id=account_id, actor=email, action=GRANT, at__gt=Now() - timedelta(days=1))
    granted = lately.aggregate(sum=Sum(Cast(KT("after__nano_usd"), BigIntegerField())))["sum"] or 0
    if granted + amount > most:
        left = max(most - granted, 0)
        raise ValidationError({"usd": f"You may grant an account {display_usd(most)} within 24 hours, {display_usd(left)} of it now. Ask finance for more."})  # fmt: skip


def refund(request: HttpRequest, payment: Payment, token: UUID, amount: int, reason: str) -> Reversal:
    """Refunds, once a token. It is written down before Stripe is asked, so not in one transaction with that. Raises ValidationError."""
    with transaction.atomic():
        row, created = reversals.write_down_refund(payment, amount, by=current_user(request), note=reason, key=token)
        if created:
            said = {"usd": usd_from_nano(amount), "payment": str(payment.pk)}
            record(request, "refund", row, after=said, what=f"Refunded {display_usd(amount)}.", reason=reason)
    return reversals.send_now(row)


@transaction.atomic
def suspend(request: HttpRequest, account: Account, reason: str) -> bool:
    """Whether it changed anything. Raises ValidationError for a closed account."""
    before = _status(account)
    changed = suspension.suspend(account.pk)
    if changed:
        record(request, "suspend", account, before=before, after=_status(account), reason=reason)
    return changed


@transaction.atomic
def reinstate(request: HttpRequest, account: Account, reason: str) -> AccountStatus:
    """What the account is then. Raises ValidationError, with a reason for people."""
    before = _status(account)
    status = suspension.reinstate(account.pk)
    record(request, "reinstate", account, before=before, after=_status(account), reason=reason)
    return status


def _status(account: Account) -> dict[str, str | bool]:
    fresh = Account.objects.get(pk=account.pk)
    return {"status": fresh.get_status_display(), "for a debt": suspension.is_by_debt(account.pk)}
