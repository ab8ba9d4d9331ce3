"""Promise: customers are told once, and in time, that their balance is low, their trial credit ends or their card expires."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from apps.billing import auto_topup, notices, watch
from apps.billing.credits import grant_credit, set_balance
from apps.billing.models import Notice, NoticeKind, PaymentMethod, PoolKind
from apps.core.ids import uuid7
from tests.payments.shop import USD, VISA, Payer, Shop

pytestmark = pytest.mark.money


def mails(payer: Payer) -> list[str]:
    return list(Notice.objects.filter(account=payer.account).order_by("pk").values_list("kind", flat=True))


def test_a_low_balance_once_until_the_next_top_up(shop: Shop) -> None:
    payer, _ = shop.paid(10)
    watch.watch_balances()
    assert NoticeKind.LOW_BALANCE not in mails(payer)
    set_balance(payer.account.pk, USD - 1)
    for _ in range(3):
        watch.watch_balances()
    assert mails(payer).count(NoticeKind.LOW_BALANCE) == 1
    shop.pay_with_card(payer, 5)
    watch.watch_balances()
    set_balance(payer.account.pk, 0)
    watch.watch_balances()
    assert mails(payer).count(NoticeKind.LOW_BALANCE) == 2


def test_no_low_balance_where_auto_top_up_watches_or_there_never_was_more(shop: Shop) -> None:
    watched, poor = shop.paid(10)[0], shop.payer()
    auto_topup.configure(watched.account, enabled=True, threshold="5", amount="20", monthly_cap="100")
    set_balance(watched.account.pk, 0)
    grant_credit(poor.account.pk, USD // 2, PoolKind.PROMOTION, f"test:{uuid7()}")
    watch.watch_balances()
    assert NoticeKind.LOW_BALANCE not in mails(watched) + mails(poor)


def test_trial_credit_that_ends_in_three_days_once(shop: Shop) -> None:
    payer = shop.payer()
    for days in (2, 5):
        grant_credit(payer.account.pk, USD, PoolKind.TRIAL, f"test:{uuid7()}", expires_at=timezone.now() + timedelta(days=days))
    for _ in range(2):
        watch.watch_trials()
    assert mails(payer) == [NoticeKind.TRIAL_EXPIRING]


def test_a_default_card_that_expires_within_a_month_once(shop: Shop) -> None:
    soon, later = shop.payer(VISA), shop.payer(VISA)
    next_month = timezone.now() + timedelta(days=20)
    PaymentMethod.objects.filter(account=soon.account).update(exp_year=next_month.year, exp_month=next_month.month)
    for _ in range(2):
        watch.watch_cards()
    assert mails(soon) == [NoticeKind.CARD_EXPIRING]
    assert mails(later) == []


def test_a_mail_that_cannot_be_sent_is_sent_later_and_once(shop: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    payer, payment = shop.paid(10)
    Notice.objects.exclude(account=payer.account).filter(sent_at=None).update(sent_at=Now())
    Notice.objects.filter(account=payer.account).update(next_try_at=Now())
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert notices.send_owed() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert notices.send_owed() == 0  # not at once
    Notice.objects.filter(account=payer.account).update(next_try_at=Now())
    mail.outbox = []
    assert notices.send_owed() == 1
    [sent] = mail.outbox
    assert sent.to == [payer.registered.user.email]
    assert "10.00" in str(sent.body)
    assert f"{payment.receipt.number:08d}" in str(sent.body)
    Notice.objects.filter(account=payer.account).update(next_try_at=Now())
    assert notices.send_owed() == 0
