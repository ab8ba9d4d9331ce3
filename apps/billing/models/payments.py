"""What is known of payments. Stripe's books are the truth about money that moved there; these rows are what we did and what we saw.

Every row that stands for a call to Stripe is committed before the call, and its id is the call's idempotency key: whoever finds
the row after a crash makes the same call again.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.db.models.lookups import Exact

from apps.accounts.models import Account
from apps.billing.models.ledger import CreditPool
from apps.core.ids import uuid7

NANO_PER_CENT = 10_000_000


class Customer(models.Model):
    """An account as Stripe knows it. A customer of test mode is replaced when the platform goes live."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="customer")
    stripe_id = models.CharField(max_length=255, unique=True)
    livemode = models.BooleanField()
    created_at = models.DateTimeField(db_default=Now())


class PaymentMethod(models.Model):
    """A card that Stripe verified. `fingerprint` is the same for the same card wherever it is added; the number is never seen here."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="payment_methods")
    stripe_id = models.CharField(max_length=255, unique=True)
    livemode = models.BooleanField()
    fingerprint = models.CharField(max_length=255, help_text="empty when Stripe does not say")
    wallet = models.BooleanField(
        default=False, help_text="of Apple Pay and the like: the fingerprint is of a device's token, not of the card"
    )
    brand = models.CharField(max_length=40)
    last4 = models.CharField(max_length=4)
    exp_month = models.SmallIntegerField()
    exp_year = models.SmallIntegerField()
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True)
    detached_at = models.DateTimeField(null=True, help_text="when Stripe had forgotten it too")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=models.Q(is_default=True), name="billing_paymentmethod_one_default"),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(removed_at=None), name="billing_paymentmethod_default_is_there"
            ),
        ]
        indexes = [
            models.Index(
                fields=["removed_at"],
                condition=models.Q(removed_at__isnull=False, detached_at=None),
                name="billing_paymentmethod_removed",
            )
        ]

    def __str__(self) -> str:
        """`Visa ending in 4242`, for customers."""
        return card_in_words(self.brand, self.last4)


BRANDS = {"amex": "American Express", "cartes_bancaires": "Cartes Bancaires", "eftpos_au": "eftpos", "jcb": "JCB", "unionpay": "UnionPay"}


def card_in_words(brand: str = "", last4: str = "") -> str:
    """`Visa ending in 4242`; empty for a card that is not known."""
    return f"{BRANDS.get(brand, brand.replace('_', ' ').title())} ending in {last4}" if last4 else ""


class SetupStatus(models.IntegerChoices):
    OPEN = 1
    DONE = 2
    ABANDONED = 3


class CardSetup(models.Model):
    """A customer was sent to Stripe to add a card."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="card_setups")
    replaces = models.ForeignKey(PaymentMethod, models.SET_NULL, null=True, related_name="+")
    status = models.SmallIntegerField(choices=SetupStatus, default=SetupStatus.OPEN)
    session_id = models.CharField(max_length=255, null=True, unique=True)
    payment_method = models.ForeignKey(PaymentMethod, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    next_check_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["account", "-created_at"], name="billing_cardsetup_newest"),
            models.Index(fields=["next_check_at"], condition=models.Q(status=1), name="billing_cardsetup_open"),
        ]


class Purpose(models.IntegerChoices):
    CHECKOUT = 1, "Top-up"  # on Stripe's page
    CARD = 2, "Top-up by saved card"
    AUTO = 3, "Auto top-up"


class PaymentStatus(models.IntegerChoices):
    """OPEN until Stripe says how it ended; the others are final."""

    OPEN = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELED = 4


class Payment(models.Model):
    """An attempt to be paid `amount` nano-USD (whole cents). Its id is the idempotency key and stands in the metadata at Stripe.

    `pool` is the credit it became; with it the payment has been credited, and without it it has not.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="payments")
    purpose = models.SmallIntegerField(choices=Purpose)
    status = models.SmallIntegerField(choices=PaymentStatus, default=PaymentStatus.OPEN)
    amount = models.BigIntegerField()
    livemode = models.BooleanField()
    customer = models.CharField(max_length=255, help_text="Stripe's id of who pays")
    payment_method = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="+")
    save_card = models.BooleanField(default=False, help_text="the card is yet to be kept")
    return_url = models.CharField(max_length=500, blank=True)
    cancel_url = models.CharField(max_length=500, blank=True)
    session_id = models.CharField(max_length=255, null=True, unique=True)
    intent_id = models.CharField(max_length=255, null=True, unique=True)
    tries = models.SmallIntegerField(
        default=0, help_text="how often Stripe broke when it was asked: it repeats an answer, a broken one too"
    )
    action_url = models.TextField(blank=True, help_text="where the customer confirms it; empty when nothing is to be confirmed")
    failure_code = models.CharField(max_length=100, blank=True, help_text="Stripe's decline or error code")
    paid_with = models.CharField(max_length=100, blank=True, help_text="such as: Visa ending in 4242")
    trouble = models.TextField(blank=True, help_text="why money that Stripe has was not credited: for staff")
    pool = models.OneToOneField(CreditPool, models.PROTECT, null=True, related_name="payment")
    created_at = models.DateTimeField(db_default=Now())
    concluded_at = models.DateTimeField(null=True)
    next_check_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount__gt=0) & models.Q(Exact(models.F("amount") % models.Value(NANO_PER_CENT), 0)),
                name="billing_payment_whole_cents",
            ),
            models.CheckConstraint(
                condition=models.Q(status=2, pool__isnull=False) | (~models.Q(status=2) & models.Q(pool=None)),
                name="billing_payment_credited_when_succeeded",
            ),
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(purpose=3, status=1), name="billing_payment_one_auto_topup_at_a_time"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at"], name="billing_payment_newest"),
            models.Index(fields=["next_check_at"], condition=models.Q(status=1), name="billing_payment_open"),
            models.Index(fields=["next_check_at"], condition=models.Q(save_card=True, status=2), name="billing_payment_card_to_keep"),
        ]

    @property
    def cents(self) -> int:
        """What Stripe is asked for."""
        return self.amount // NANO_PER_CENT

    @property
    def idempotency_key(self) -> str:
        """Its id, until Stripe broke: it repeats its answer to a key, a broken one too."""
        return f"{self.pk}:{self.tries}" if self.tries else str(self.pk)


class ReversalKind(models.IntegerChoices):
    REFUND = 1
    DISPUTE = 2


class Reversal(models.Model):
    """Money that goes back to the payer. `booked` is what the ledger has taken back for it until now: `amount` while the money is
    gone, 0 once it came back (a dispute that was won, a refund that failed)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="reversals")
    kind = models.SmallIntegerField(choices=ReversalKind)
    stripe_id = models.CharField(max_length=255, null=True, unique=True)
    status = models.CharField(max_length=40, help_text="Stripe's; empty until Stripe answered")
    amount = models.BigIntegerField()
    booked = models.BigIntegerField(default=0)
    rounds = models.SmallIntegerField(default=0, help_text="how often it was booked and booked back")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    next_check_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount__gt=0, booked__gte=0) & models.Q(booked__lte=models.F("amount")),
                name="billing_reversal_booked_within_amount",
            )
        ]
        indexes = [models.Index(fields=["next_check_at"], condition=models.Q(stripe_id=None), name="billing_reversal_unsent")]

    @property
    def account_id(self) -> int:
        return self.payment.account_id


class Debt(models.Model):
    """What an account owes because money went back that was spent already, or is held. While more is owed than held, its account is suspended.

    `amount` is minus the sum of the account's postings to RECEIVABLES. `suspended`: it was we who suspended the account, so that
    we reinstate it; what staff suspended stays suspended.
    """

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="debt")
    amount = models.BigIntegerField(default=0)
    suspended = models.BooleanField(default=False)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(amount__gte=0), name="billing_debt_not_negative")]
        indexes = [models.Index(fields=["account"], condition=models.Q(amount__gt=0), name="billing_debt_open")]


class PauseReason(models.TextChoices):
    DECLINED = "declined", "Your card was declined"
    AUTHENTICATION = "authentication", "Your bank asks you to confirm payments with this card"
    NO_CARD = "no_card", "There is no payment method to charge"
    DISPUTED = "disputed", "A payment was disputed"
    REFUNDED = "refunded", "A payment was refunded"


class AutoTopup(models.Model):
    """When the balance falls below `threshold`, `amount` is charged to the default card, at most `monthly_cap` in a calendar month
    (UTC). Paused after declines or when authentication is required, until its owner has seen to it. Amounts in nano-USD."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="auto_topup")
    enabled = models.BooleanField(default=False)
    threshold = models.BigIntegerField()
    amount = models.BigIntegerField()
    monthly_cap = models.BigIntegerField()
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(max_length=20, choices=PauseReason, blank=True)
    failures = models.SmallIntegerField(default=0, help_text="declines since the last success")
    next_try_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["next_try_at"], condition=models.Q(enabled=True, paused_at=None), name="billing_autotopup_watched")]


class BillingDetails(models.Model):
    """Whom receipts are made out to; what was there when a payment was made is kept with its receipt."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="billing_details")
    name = models.CharField("Name or company", max_length=150, blank=True)
    line1 = models.CharField("Address", max_length=150, blank=True)
    line2 = models.CharField("Address, second line", max_length=150, blank=True)
    postal_code = models.CharField("Postal code", max_length=20, blank=True)
    city = models.CharField("City", max_length=100, blank=True)
    region = models.CharField("State or region", max_length=100, blank=True)
    country = models.CharField("Country", max_length=2, blank=True, help_text="two letters, ISO 3166")
    tax_id = models.CharField("Tax id", max_length=40, blank=True)


class Receipt(models.Model):
    """A payment's receipt. Numbers are given in order, without gaps; nothing in it changes any more."""

    number = models.BigIntegerField(primary_key=True)
    payment = models.OneToOneField(Payment, models.PROTECT, related_name="receipt")
    account = models.ForeignKey(Account, models.PROTECT, related_name="receipts")
    issued_at = models.DateTimeField()
    bill_to = models.JSONField(help_text="the fields of BillingDetails at that time, and the e-mail address")

    @property
    def invoice_number(self) -> str:
        """As it is printed."""
        return f"{self.number:08d}"


class NoticeKind(models.TextChoices):
    """Each is a mail: templates/billing/email/<value>.html (mails.py says what each is given)."""

    RECEIPT = "receipt", "Payment received"
    LOW_BALANCE = "low_balance", "Balance is low"
    AUTO_TOPUP_DONE = "auto_topup_done", "Auto top-up done"
    AUTO_TOPUP_FAILED = "auto_topup_failed", "Auto top-up failed"
    AUTO_TOPUP_PAUSED = "auto_topup_paused", "Auto top-up paused"
    AUTO_TOPUP_CAPPED = "auto_topup_capped", "Auto top-up has reached its monthly cap"
    TRIAL_EXPIRING = "trial_expiring", "Trial credit is about to expire"
    CARD_EXPIRING = "card_expiring", "Card is about to expire"
    REFUNDED = "refunded", "Payment refunded"
    SUSPENDED = "suspended", "Account suspended"
    REINSTATED = "reinstated", "Account reinstated"
    BUDGET = "budget", "Budget threshold reached"


class Notice(models.Model):
    """A mail that is owed, written in the transaction that is its reason: once for each account, kind and reference."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=30, choices=NoticeKind)
    reference = models.CharField(max_length=200)
    facts = models.JSONField(default=dict, help_text="what the mail is about: ids, and amounts in nano-USD")
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(default=0, validators=[MinValueValidator(0), MaxValueValidator(100)])
    next_try_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "kind", "reference"], name="billing_notice_once")]
        indexes = [models.Index(fields=["next_try_at"], condition=models.Q(sent_at=None), name="billing_notice_unsent")]


class StripeEvent(models.Model):
    """A webhook event, once. It only says where to look: what is true is fetched from Stripe."""

    id = models.CharField(max_length=255, primary_key=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255)
    created_at = models.DateTimeField(help_text="when it happened, by Stripe's clock")
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    error = models.TextField(blank=True, help_text="of the last attempt")

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(processed_at=None), name="billing_stripeevent_waiting"),
            models.Index(fields=["-received_at"], name="billing_stripeevent_newest"),
        ]
