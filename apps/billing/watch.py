"""What customers are told in time: that their balance is low, their trial credit ends, their card expires. Each once."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.accounts.models import AccountStatus
from apps.billing.models import CreditPool, NoticeKind, PaymentMethod, PoolKind
from apps.billing.notices import owe_mail
from apps.core.moments import database_now
from apps.core.money import nano_from_usd

TRIAL_ENDS_WITHIN = timedelta(days=3)
CARD_EXPIRES_WITHIN = timedelta(days=30)

# Accounts whose credit fell below the threshold from above it and whose auto top-up does not watch. The newest pool names the
# occasion: after the next top-up there may be another mail.
LOW = """
SELECT b.account_id, b.newest FROM (
  SELECT p.account_id, max(p.id) AS newest, max(p.granted) AS most,
    coalesce(sum(p.remaining) FILTER (WHERE p.expires_at IS NULL OR p.expires_at > now()), 0) AS remaining
  FROM billing_creditpool p GROUP BY p.account_id) b
JOIN accounts_account a ON a.id = b.account_id
WHERE b.remaining < %s AND b.most >= %s AND a.status = %s
  AND NOT EXISTS (SELECT 1 FROM billing_autotopup t WHERE t.account_id = b.account_id AND t.enabled AND t.paused_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM billing_notice n WHERE n.account_id = b.account_id AND n.kind = %s AND n.reference = b.newest::text)
LIMIT 1000
"""


def watch_balances() -> int:
    """Returns how many mails are owed because of it."""
    threshold = nano_from_usd(settings.LOW_BALANCE_USD)
    if not threshold:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(LOW, [threshold, threshold, AccountStatus.ACTIVE, NoticeKind.LOW_BALANCE])
        low = cursor.fetchall()
    for account_id, newest in low:
        owe_mail(account_id, NoticeKind.LOW_BALANCE, str(newest), threshold=threshold)
    return len(low)


def watch_trials() -> None:
    soon = CreditPool.objects.filter(
        kind=PoolKind.TRIAL, expires_at__gt=Now(), expires_at__lt=Now() + TRIAL_ENDS_WITHIN, remaining__gt=F("held")
    )
    for account_id, pool in soon.filter(account__status=AccountStatus.ACTIVE).values_list("account_id", "pk"):
        owe_mail(account_id, NoticeKind.TRIAL_EXPIRING, str(pool), pool=pool)


def watch_cards() -> None:
    """Of the cards that are charged by themselves: an expired one that is not used disturbs nobody."""
    soon = database_now() + CARD_EXPIRES_WITHIN
    for card in PaymentMethod.objects.filter(is_default=True, account__status=AccountStatus.ACTIVE, exp_year__lte=soon.year):
        if (card.exp_year, card.exp_month) < (soon.year, soon.month) or (card.exp_year, card.exp_month) == (soon.year, soon.month):
            owe_mail(card.account_id, NoticeKind.CARD_EXPIRING, f"{card.pk}:{card.exp_year}-{card.exp_month:02d}", card=card.pk)
