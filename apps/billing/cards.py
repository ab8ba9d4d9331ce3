"""Payment methods. What a page needs to know:

- `start_setup` returns the address of Stripe's page, where the card is typed and verified; nothing of it passes through here.
- `return_url` is where the browser comes back to; put `{setup}` in it where the setup's id belongs (it is filled in). There call
  `look_again(account, setup)`: the card, or None while Stripe has none (given up, or not yet: the webhook may bring it).
- The first card becomes the default; one that replaces another takes its place, and the old one is removed.
- Trial credit comes with the first verified card: call `trial.grant_due_trial(account)` after `look_again`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.billing import auto_topup, stripe_client
from apps.billing.claims import claim
from apps.billing.credits import lock_account
from apps.billing.customers import ensure_customer, replace_customer
from apps.billing.errors import TROUBLE, Missing, StripeUnavailable, TooManyAttempts
from apps.billing.models import AutoTopup, BillingDetails, CardSetup, PaymentMethod, SetupStatus
from apps.billing.stripe_objects import Card

log = logging.getLogger(__name__)

# Against card testing: pages on which a card can be typed, for an account and for an IP address.
MOST_AN_HOUR, MOST_A_DAY, MOST_AN_HOUR_FROM_ADDRESS = 6, 20, 15
HOUR_S = 3600
CHECK_AGAIN_AFTER = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=25)  # Stripe's page is open for a day
BATCH = 20


@stripe_client.refusals_in_words()
def start_setup(account: Account, *, return_url: str, cancel_url: str, address: str | None, replaces: int | None = None) -> str:
    """The address of Stripe's page to add a card. `address`: the visitor's IP address, for the throttle. `replaces`: a card's id.

    Raises TooManyAttempts, StripeUnavailable, Refused, PaymentsNotOffered, PaymentMethod.DoesNotExist.
    """
    old = _own(account, replaces) if replaces is not None else None
    _throttle(account, address)
    customer = ensure_customer(account)
    try:
        return _begin_setup(account, customer, old, return_url, cancel_url)
    except Missing:  # the customer: nothing else is named
        return _begin_setup(account, replace_customer(account, customer), old, return_url, cancel_url)


def _begin_setup(account: Account, customer: str, replaces: PaymentMethod | None, return_url: str, cancel_url: str) -> str:
    setup = CardSetup.objects.create(account=account, replaces=replaces, next_check_at=Now() + CHECK_AGAIN_AFTER)
    # The braces are ours, not Stripe's {CHECKOUT_SESSION_ID}: an id of ours is known before Stripe is asked.
    return_url = return_url.replace("{setup}", str(setup.pk))
    session = stripe_client.create_setup_session(setup.pk, customer, return_url, cancel_url)
    CardSetup.objects.filter(pk=setup.pk).update(session_id=session.id)
    return session.url


def look_again(account: Account, setup: UUID) -> PaymentMethod | None:
    """Asks Stripe what became of it; None too when Stripe does not answer. Raises CardSetup.DoesNotExist."""
    row = CardSetup.objects.get(pk=setup, account=account)
    try:
        return finish_setup(row.pk)
    except TROUBLE as trouble:
        log.warning("Card setup %s is looked at later: %s", setup, trouble)
        return None


def make_default(account: Account, card_id: int) -> None:
    """An auto top-up that paused because of a card goes on with it. Raises PaymentMethod.DoesNotExist."""
    with transaction.atomic():
        lock_account(account.pk)
        _choose(_own(account, card_id))
        auto_topup.resumed(account.pk)


@transaction.atomic
def remove(account: Account, card_id: int) -> None:
    """At once for us; Stripe forgets it in the background. The newest of the others becomes the default.

    An auto top-up without any card pauses. Raises PaymentMethod.DoesNotExist.
    """
    lock_account(account.pk)
    _remove(_own(account, card_id))
    auto_topup.pause_without_card(account.pk)


def remove_all(account_id: int) -> None:
    """Of an account that is being closed, with its auto top-up and its address. The caller has its lock."""
    AutoTopup.objects.filter(account_id=account_id).delete()
    BillingDetails.objects.filter(account_id=account_id).delete()
    PaymentMethod.objects.filter(account_id=account_id, removed_at=None).update(is_default=False, removed_at=Now())


# --- What Stripe says -------------------------------------------------------------------------------------------------
def finish_setup(setup_id: UUID) -> PaymentMethod | None:
    """The card of a setup, once Stripe verified it. Raises StripeUnavailable, CardSetup.DoesNotExist."""
    setup = CardSetup.objects.select_related("payment_method").get(pk=setup_id)
    if setup.status != SetupStatus.OPEN:
        return setup.payment_method
    if setup.session_id is None:
        session = stripe_client.session_of_attempt(ensure_customer(setup.account), setup.pk, setup.created_at - timedelta(minutes=10))
    else:
        session = stripe_client.session(setup.session_id)
    found = stripe_client.card_of_setup(session.setup_intent_id) if session is not None and session.status == "complete" else None
    if found is not None:
        return _add(setup, found)
    if session is None or session.status != "open":
        CardSetup.objects.filter(pk=setup.pk, status=SetupStatus.OPEN, created_at__lt=Now() - GIVE_UP_AFTER).update(
            status=SetupStatus.ABANDONED
        )
    return None


def finish_setups() -> int:
    """Looks after those whose browser did not come back; returns how many were looked at."""
    keys = claim(CardSetup.objects.filter(status=SetupStatus.OPEN), "next_check_at", CHECK_AGAIN_AFTER, BATCH)
    for key in keys:
        try:
            finish_setup(key)
        except TROUBLE as error:
            log.warning("Card setup %s is looked at later: %s", key, error)
            if isinstance(error, StripeUnavailable):
                break
    return len(keys)


def add_paid_with(account_id: int, customer: str, card_id: str) -> None:
    """A card that was saved while paying on Stripe's page. Raises StripeUnavailable."""
    found = stripe_client.card(card_id)
    if found.customer == customer:
        with transaction.atomic():
            lock_account(account_id)
            _keep(account_id, found)


def look_at_card(stripe_id: str) -> None:
    """Something about a card changed at Stripe: it was renewed by its bank, or taken away there. Raises StripeUnavailable."""
    card = PaymentMethod.objects.filter(stripe_id=stripe_id).first()
    if card is None:
        return
    found = stripe_client.card(stripe_id)
    with transaction.atomic():
        lock_account(card.account_id)
        card.refresh_from_db()
        fields = {"brand": found.brand, "last4": found.last4, "exp_month": found.exp_month, "exp_year": found.exp_year}
        PaymentMethod.objects.filter(pk=card.pk).update(**fields)
        if not found.customer and card.removed_at is None:
            _remove(card)
            auto_topup.pause_without_card(card.account_id)


def forget_removed() -> None:
    """Takes cards that were removed here away from Stripe."""
    gone = PaymentMethod.objects.filter(removed_at__isnull=False, detached_at=None, livemode=settings.STRIPE_LIVE)
    for card in gone.order_by("removed_at")[:BATCH]:
        try:
            stripe_client.detach_card(card.stripe_id)
        except TROUBLE as error:
            log.warning("Card %s is taken away from Stripe later: %s", card.pk, error)
            if isinstance(error, StripeUnavailable):
                break
            continue
        PaymentMethod.objects.filter(pk=card.pk).update(detached_at=Now())


@transaction.atomic
def _add(setup: CardSetup, found: Card) -> PaymentMethod:
    """Once, whoever comes first: the page or the webhook."""
    lock_account(setup.account_id)
    setup = CardSetup.objects.select_related("replaces", "payment_method").get(pk=setup.pk)
    if setup.status == SetupStatus.DONE and setup.payment_method is not None:
        return setup.payment_method
    card = _keep(setup.account_id, found)
    if setup.replaces is not None and setup.replaces.removed_at is None and setup.replaces != card:
        if setup.replaces.is_default:
            _choose(card)
        _remove(setup.replaces)
    CardSetup.objects.filter(pk=setup.pk).update(status=SetupStatus.DONE, payment_method=card)
    auto_topup.resumed(setup.account_id)
    return card


def _keep(account_id: int, found: Card) -> PaymentMethod:
    """Under the account's lock. The same card added again takes the place of its earlier self."""
    known = PaymentMethod.objects.filter(stripe_id=found.id).first()
    if known is not None:
        return known
    cards = PaymentMethod.objects.filter(account_id=account_id, removed_at=None)
    earlier = list(cards.filter(fingerprint=found.fingerprint)) if found.fingerprint else []
    default = not cards.filter(is_default=True).exists() or any(card.is_default for card in earlier)
    for card in earlier:
        PaymentMethod.objects.filter(pk=card.pk).update(is_default=False, removed_at=Now())
    return PaymentMethod.objects.create(
        account_id=account_id,
        stripe_id=found.id,
        livemode=found.livemode,
        fingerprint=found.fingerprint,
        wallet=found.wallet,
        brand=found.brand,
        last4=found.last4,
        exp_month=found.exp_month,
        exp_year=found.exp_year,
        is_default=default,
    )


def _choose(card: PaymentMethod) -> None:
    PaymentMethod.objects.filter(account_id=card.account_id, is_default=True).update(is_default=False)
    PaymentMethod.objects.filter(pk=card.pk).update(is_default=True)


def _remove(card: PaymentMethod) -> None:
    was_default = PaymentMethod.objects.filter(pk=card.pk, is_default=True).exists()
    PaymentMethod.objects.filter(pk=card.pk).update(is_default=False, removed_at=Now())
    newest = PaymentMethod.objects.filter(account_id=card.account_id, removed_at=None).order_by("-created_at", "-pk").first()
    if was_default and newest is not None:
        _choose(newest)


def _own(account: Account, card_id: int) -> PaymentMethod:
    return PaymentMethod.objects.get(pk=card_id, account=account, removed_at=None)


def _throttle(account: Account, address: str | None) -> None:
    setups = CardSetup.objects.filter(account=account)
    if setups.filter(created_at__gt=Now() - timedelta(hours=1)).count() >= MOST_AN_HOUR:
        raise TooManyAttempts
    if setups.filter(created_at__gt=Now() - timedelta(days=1)).count() >= MOST_A_DAY:
        raise TooManyAttempts
    if address:
        counter = f"billing:setups:{address}"
        if not cache.add(counter, 1, HOUR_S):
            try:
                seen = cache.incr(counter)
            except ValueError:  # it has run out since
                seen = 1
            if seen > MOST_AN_HOUR_FROM_ADDRESS:
                raise TooManyAttempts
