"""Topping up: on Stripe's page, or by a saved card. What a page needs to know:

1. Show the form with `next_attempt(account)` in a hidden field `attempt`, and amounts between `amounts.limits()`.
2. On POST `amounts.validated_amount(text)`, then `start_checkout(…)` or `pay_with_card(…)`. Each returns the `Payment`:
   - `action_url` is set: redirect there (Stripe's page, or the bank's confirmation);
   - `status` SUCCEEDED: it is credited already;
   - `status` FAILED: `errors.explanation(payment.failure_code)` says why; show a new form with the `next_attempt`;
   - `status` OPEN without `action_url`: Stripe has not said yet; show "being processed" and ask `look_again` every few seconds.
3. `return_url` is where the browser comes back to, with the attempt's id in it: there `look_again(account, attempt)` and show what
   it says, as above. `cancel_url` is where Stripe's page leads who gives up.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from apps.accounts.models import Account, AccountStatus
from apps.billing import payments, stripe_client
from apps.billing.amounts import limits
from apps.billing.customers import ensure_customer
from apps.billing.errors import TROUBLE, SentBefore, TooManyAttempts
from apps.billing.models import Payment, PaymentMethod, PaymentStatus, Purpose
from apps.billing.models.payments import NANO_PER_CENT
from apps.core.moments import database_now

log = logging.getLogger(__name__)

# Within an hour; more looks like somebody trying out stolen cards.
MOST_FAILURES = 5
MOST_UNPAID_PAGES = 10
# A form that is sent again within it, from whatever tab, asks for the payment that there is; one that is sent later asks for another one.
SAME_INTENT = timedelta(minutes=10)


def next_attempt(account: Account) -> UUID:
    """The id of the account's next top-up: the same on every page until one is begun, so that two tabs with the form pay once.
    Nobody can guess another account's."""
    begun = Payment.objects.filter(account=account).exclude(purpose=Purpose.AUTO)
    newest = begun.order_by("-created_at", "-pk").values_list("pk", flat=True).first()
    digest = salted_hmac("billing.next_attempt", f"{account.pk}:{newest}", algorithm="sha256").digest()
    return UUID(bytes=digest[:16], version=4)


@stripe_client.refusals_in_words()
def start_checkout(account: Account, amount: int, *, attempt: UUID, return_url: str, cancel_url: str, save_card: bool) -> Payment:
    """Makes Stripe's page for it, at `action_url`. The same `attempt` again gives the same page.

    Raises ValidationError, SentBefore, TooManyAttempts, StripeUnavailable, Refused, PaymentsNotOffered; Payment.DoesNotExist for another
    account's attempt.
    """
    wanted = Payment(
        pk=attempt,
        account=account,
        purpose=Purpose.CHECKOUT,
        amount=amount,
        return_url=return_url,
        cancel_url=cancel_url,
        save_card=save_card,
    )
    payment = _begin(wanted)
    if payment.status == PaymentStatus.OPEN and not payment.action_url:
        payment = payments.advance(payment.pk)  # makes the page, unless it is too late for that
    return payment


@stripe_client.refusals_in_words()
def pay_with_card(account: Account, amount: int, *, card_id: int, attempt: UUID, return_url: str) -> Payment:
    """Charges a saved card of the account while its owner is there. The same `attempt` again is the same payment.

    A payment whose outcome is not known yet stays OPEN, and is followed in the background. Raises ValidationError, SentBefore,
    TooManyAttempts, PaymentsNotOffered, StripeUnavailable when nothing was begun; PaymentMethod.DoesNotExist, Payment.DoesNotExist.
    """
    card = PaymentMethod.objects.get(pk=card_id, account=account, removed_at=None)
    payment = _begin(Payment(pk=attempt, account=account, purpose=Purpose.CARD, amount=amount, return_url=return_url, payment_method=card))
    return look_again(account, payment.pk)


def look_again(account: Account, attempt: UUID) -> Payment:
    """Asks Stripe how the payment stands, and credits it if it succeeded. What is known already when Stripe does not answer.

    Raises Payment.DoesNotExist.
    """
    payment = Payment.objects.get(pk=attempt, account=account)
    try:
        return payments.advance(payment.pk)
    except TROUBLE as trouble:
        log.warning("Payment %s is looked at later: %s", payment.pk, trouble)
        payment.refresh_from_db()
        payment.action_url = ""  # it may be paid already: nobody is asked to pay it until that is known
        return payment


def _begin(wanted: Payment) -> Payment:
    """Writes the attempt down, unless it is there already. Raises SentBefore where the one that is there is not what is wanted now."""
    if not limits().least <= wanted.amount <= limits().most or wanted.amount % NANO_PER_CENT:
        raise ValidationError({"amount": "The amount is not one that can be topped up."})
    known = Payment.objects.filter(pk=wanted.pk).first()
    if known is None:
        _throttle(wanted.account)
        wanted.customer, wanted.livemode = ensure_customer(wanted.account), settings.STRIPE_LIVE
        wanted.next_check_at = Now() + payments.CHECK_AGAIN_AFTER  # whoever begins it goes on with it
        try:
            with transaction.atomic():
                wanted.save(force_insert=True)
        except IntegrityError:
            pass  # sent twice at the same time: the first one stands
        known = Payment.objects.get(pk=wanted.pk)
    if known.account_id != wanted.account_id:
        raise Payment.DoesNotExist
    if (known.purpose, known.amount, known.payment_method_id) != (wanted.purpose, wanted.amount, wanted.payment_method_id):
        raise SentBefore(known.amount)
    if known.status == PaymentStatus.SUCCEEDED and database_now() - known.created_at > SAME_INTENT:
        raise SentBefore(known.amount)
    return known


def _throttle(account: Account) -> None:
    if account.status == AccountStatus.CLOSED:
        raise ValidationError("This account is closed.")
    recent = Payment.objects.filter(account=account, created_at__gt=Now() - timedelta(hours=1)).exclude(purpose=Purpose.AUTO)
    failures = recent.filter(status=PaymentStatus.FAILED).count()
    pages = recent.filter(purpose=Purpose.CHECKOUT).exclude(status=PaymentStatus.SUCCEEDED).count()
    if failures >= MOST_FAILURES or pages >= MOST_UNPAID_PAGES:
        raise TooManyAttempts
