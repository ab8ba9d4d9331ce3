"""Auto top-up: its settings, and when it pauses. What a page needs to know:

`state_of(account.pk)` says all there is to show; `settings` is None until it was configured first. `paused` is the banner's text,
empty while it is not paused; `resume` is the banner's button. Configuring it resumes it too. So does a card that works again or a
new one, unless money went back (`waits`): then its owner alone says that it goes on.
The charges are made in auto_charge.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.billing.amounts import dollars, limits
from apps.billing.credits import lock_account
from apps.billing.errors import AUTHENTICATION, HARD_DECLINES
from apps.billing.models import AutoTopup, NoticeKind, PauseReason, Payment, PaymentMethod, PaymentStatus, Purpose
from apps.billing.notices import owe_mail
from apps.core.moments import database_now
from apps.core.money import MAX_NANO

# How long after a decline the card is tried again; after one more decline than there are pauses here, auto top-up pauses.
RETRY_AFTER = (timedelta(minutes=10), timedelta(hours=1))
REST_AFTER_SUCCESS = timedelta(minutes=3)  # so that nothing charges a card in a loop
MENDED_BY_A_CARD = (PauseReason.DECLINED, PauseReason.AUTHENTICATION, PauseReason.NO_CARD)


@dataclass(frozen=True, slots=True)
class State:
    """`card`: what would be charged. `spent_this_month`: charged or being charged, nano-USD. `capped`: another one would exceed the
    month's cap. `waits`: it is paused until its owner says that it goes on. `under_way`: the charge that is open now. `last`: the
    newest one that ended."""

    settings: AutoTopup | None
    card: PaymentMethod | None
    spent_this_month: int
    capped: bool
    paused: str
    waits: bool
    under_way: Payment | None
    last: Payment | None

    @property
    def active(self) -> bool:
        """It watches the balance."""
        return self.settings is not None and self.settings.enabled and not self.paused


def state_of(account_id: int) -> State:
    settings = AutoTopup.objects.filter(account_id=account_id).first()
    charges = Payment.objects.filter(account_id=account_id, purpose=Purpose.AUTO).order_by("-created_at")
    spent = spent_this_month(account_id)
    return State(
        settings=settings,
        card=card_to_charge(account_id),
        spent_this_month=spent,
        capped=settings is not None and spent + settings.amount > settings.monthly_cap,
        paused=PauseReason(settings.pause_reason).label if settings is not None and settings.paused_at is not None else "",
        waits=settings is not None and settings.paused_at is not None and settings.pause_reason not in MENDED_BY_A_CARD,
        under_way=charges.filter(status=PaymentStatus.OPEN).first(),
        last=charges.exclude(status=PaymentStatus.OPEN).first(),
    )


def configure(account: Account, *, enabled: bool, threshold: str, amount: str, monthly_cap: str) -> AutoTopup:
    """Dollars as typed. Raises ValidationError with a text for each wrong field: `threshold`, `amount`, `monthly_cap`, or `enabled`
    when there is no card to charge."""
    wrong: dict[str, str] = {}
    least, most = limits().least, limits().most
    values = {
        "threshold": dollars(threshold, 0, MAX_NANO, "threshold", wrong),
        "amount": dollars(amount, least, most, "amount", wrong),
        "monthly_cap": dollars(monthly_cap, least, MAX_NANO, "monthly_cap", wrong),
    }
    if not wrong and values["monthly_cap"] < values["amount"]:
        wrong["monthly_cap"] = "The cap of a month is at least the amount of one top-up."
    if not wrong and values["amount"] < values["threshold"]:
        wrong["amount"] = "Add at least as much as the balance it watches for, so that one top-up is enough."
    if enabled and card_to_charge(account.pk) is None:
        wrong["enabled"] = "Add a payment method first: there is no card to charge."
    if wrong:
        raise ValidationError(wrong)
    fresh = {"paused_at": None, "pause_reason": "", "failures": 0, "next_try_at": Now()}
    settings, _ = AutoTopup.objects.update_or_create(account=account, defaults={"enabled": enabled, **values, **fresh})
    settings.refresh_from_db()
    return settings


def resume(account: Account) -> None:
    """Go on after a pause. Nothing happens when it is not paused."""
    _go_on(Q(account=account, paused_at__isnull=False))


def resumed(account_id: int) -> None:
    """A card works (again): a pause that a card had brought ends, and a decline is forgotten."""
    declined = Q(paused_at=None, failures__gt=0) | Q(paused_at__isnull=False, pause_reason__in=MENDED_BY_A_CARD)
    _go_on(Q(account_id=account_id) & declined)


def _go_on(which: Q) -> None:
    AutoTopup.objects.filter(which).update(paused_at=None, pause_reason="", failures=0, next_try_at=Now())


def pause(account_id: int, reason: PauseReason, payment: Payment | None = None) -> None:
    """Nothing is charged any more until it is resumed. Its owner is mailed, once for each pause.

    Money that went back outweighs a card that did not work: a new card does not end that pause.
    """
    unpaused = Q(paused_at=None)
    if reason not in MENDED_BY_A_CARD:
        unpaused |= Q(pause_reason__in=MENDED_BY_A_CARD)
    paused = AutoTopup.objects.filter(unpaused, account_id=account_id, enabled=True).update(paused_at=Now(), pause_reason=reason)
    if paused:
        settings = AutoTopup.objects.get(account_id=account_id)
        facts = {"payment": str(payment.pk)} if payment else {}
        owe_mail(account_id, NoticeKind.AUTO_TOPUP_PAUSED, f"{settings.paused_at}", reason=reason.label, **facts)


@transaction.atomic
def pause_without_card(account_id: int) -> None:
    lock_account(account_id)
    if card_to_charge(account_id) is None:
        pause(account_id, PauseReason.NO_CARD)


def charge_failed(payment: Payment, code: str, explanation: str) -> None:
    """A charge ended without money: try later, or pause. Called once for each, under the account's lock."""
    settings = AutoTopup.objects.filter(account_id=payment.account_id).first()
    if settings is None:
        return
    settings.failures += 1
    retry = RETRY_AFTER[settings.failures - 1] if settings.failures <= len(RETRY_AFTER) else None
    settings.next_try_at = database_now() + (retry or timedelta())
    settings.save(update_fields=["failures", "next_try_at"])
    if code in AUTHENTICATION:
        pause(payment.account_id, PauseReason.AUTHENTICATION, payment)
    elif code in HARD_DECLINES or retry is None:
        pause(payment.account_id, PauseReason.DECLINED, payment)
    else:
        owe_mail(payment.account_id, NoticeKind.AUTO_TOPUP_FAILED, str(payment.pk), reason=explanation, payment=str(payment.pk))


def card_to_charge(account_id: int) -> PaymentMethod | None:
    return PaymentMethod.objects.filter(account_id=account_id, is_default=True).first()


def spent_this_month(account_id: int) -> int:
    """What automatic charges of the calendar month (UTC) took or are about to take, nano-USD."""
    charges = Payment.objects.filter(
        account_id=account_id,
        purpose=Purpose.AUTO,
        status__in=(PaymentStatus.OPEN, PaymentStatus.SUCCEEDED),
        created_at__gte=month_start(database_now()),
    )
    return charges.aggregate(sum=Sum("amount"))["sum"] or 0


def month_start(moment: datetime) -> datetime:
    """`moment` is in UTC."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
