"""Making automatic charges: a sweep finds accounts whose balance fell below their threshold, every few seconds.

The hot path is not asked to do anything for it (docs/decisions/0024). One charge at a time for each account: a unique constraint, and
the account's lock, under which the balance is read again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.accounts.models import AccountStatus
from apps.billing import payments, stripe_client
from apps.billing.auto_topup import card_to_charge, month_start, pause, spent_this_month
from apps.billing.credits import balance, lock_account, sweeping
from apps.billing.errors import TROUBLE, StripeUnavailable
from apps.billing.models import AutoTopup, Customer, NoticeKind, PauseReason, Payment, PaymentStatus, Purpose
from apps.billing.notices import owe_mail
from apps.core.moments import database_now

log = logging.getLogger(__name__)

# Accounts whose balance is below their threshold and that are not being charged already.
BELOW = """
SELECT t.account_id FROM billing_autotopup t JOIN accounts_account a ON a.id = t.account_id
CROSS JOIN LATERAL (
  SELECT coalesce(sum(p.remaining), 0) AS remaining FROM billing_creditpool p
  WHERE p.account_id = t.account_id AND p.remaining > 0 AND (p.expires_at IS NULL OR p.expires_at > now())) b
WHERE t.enabled AND t.paused_at IS NULL AND t.next_try_at <= now() AND a.status = %s AND b.remaining < t.threshold
  AND NOT EXISTS (SELECT 1 FROM billing_payment p WHERE p.account_id = t.account_id AND p.purpose = %s AND p.status = %s)
ORDER BY t.next_try_at LIMIT %s
"""
MOST_AT_ONCE = 100


def accounts_to_charge() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(BELOW, [AccountStatus.ACTIVE, Purpose.AUTO, PaymentStatus.OPEN, MOST_AT_ONCE])
        return [account_id for (account_id,) in cursor.fetchall()]


@transaction.atomic
def begin_charge(account_id: int) -> UUID | None:
    """Writes the attempt down, under the account's lock. None when there is nothing (more) to charge, or the month's cap is reached."""
    account = lock_account(account_id)
    wanted = AutoTopup.objects.filter(account_id=account_id, enabled=True, paused_at=None, next_try_at__lte=Now()).first()
    if wanted is None or account.status != AccountStatus.ACTIVE or balance(account_id).remaining >= wanted.threshold:
        return None
    if Payment.objects.filter(account_id=account_id, purpose=Purpose.AUTO, status=PaymentStatus.OPEN).exists():
        return None
    card, customer = card_to_charge(account_id), Customer.objects.filter(account_id=account_id, livemode=settings.STRIPE_LIVE).first()
    if card is None or customer is None or card.livemode != settings.STRIPE_LIVE:
        pause(account_id, PauseReason.NO_CARD)
        return None
    month = month_start(database_now())
    if spent_this_month(account_id) + wanted.amount > wanted.monthly_cap:
        owe_mail(account_id, NoticeKind.AUTO_TOPUP_CAPPED, f"{month:%Y-%m}")
        AutoTopup.objects.filter(pk=account_id).update(next_try_at=(month + timedelta(days=32)).replace(day=1))
        return None
    payment = Payment.objects.create(
        account=account,
        purpose=Purpose.AUTO,
        amount=wanted.amount,
        livemode=settings.STRIPE_LIVE,
        customer=customer.stripe_id,
        payment_method=card,
        next_check_at=Now() + payments.CHECK_AGAIN_AFTER,
    )
    return payment.pk


def charge_due() -> int:
    """One sweep; returns how many charges were begun."""
    if not stripe_client.configured():
        return 0
    begun = 0
    for account_id in accounts_to_charge():
        payment_id = None
        with sweeping(account_id):
            payment_id = begin_charge(account_id)
        if payment_id is None:
            continue
        begun += 1
        try:
            payments.advance(payment_id)
        except TROUBLE as error:
            log.warning("Automatic payment %s goes on later: %s", payment_id, error)
            if isinstance(error, StripeUnavailable):
                break
    return begun
