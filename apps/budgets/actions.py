"""Setting, changing and removing an account's budget, and the secret of its webhook."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.billing.amounts import dollars
from apps.budgets.messages import TEST, test_body
from apps.budgets.models import LONGEST_URL, WEBHOOK_SECRET, Alert, Budget, Delivery
from apps.core.crypto import encrypt
from apps.core.ids import uuid7
from apps.core.money import MAX_NANO
from apps.core.server_urls import Rules, check_server_url

LEAST = 10**7  # a cent
MOST_THRESHOLDS = 10
MOST_PERCENT = 1000
TESTS_PER_MINUTE = 5


@dataclass(frozen=True, slots=True)
class Configured:
    """`secret`: a new one of the webhook, to be shown once; empty when there is none or it stays as it was."""

    budget: Budget
    secret: str


class TooManyTests(ValidationError):
    """TESTS_PER_MINUTE were asked for already."""


def configure(account: Account, *, amount: str, thresholds: Sequence[int], by_mail: bool, webhook_url: str) -> Configured:
    """Set or replace the budget; `amount` in dollars as typed. Counts from the next look, seconds later.

    A webhook gets a secret with its first address and keeps it with the next ones. Raises ValidationError with a text for each wrong field.
    """
    wrong: dict[str, str] = {}
    nano = dollars(amount, LEAST, MAX_NANO, "amount", wrong)
    percents = sorted(set(thresholds))
    if not 1 <= len(percents) <= MOST_THRESHOLDS:
        wrong["thresholds"] = f"Write from 1 to {MOST_THRESHOLDS} thresholds."
    elif not (percents[0] >= 1 and percents[-1] <= MOST_PERCENT):
        wrong["thresholds"] = f"A threshold is a whole number of percent from 1 to {MOST_PERCENT}."
    url = webhook_url.strip()
    if url:
        try:
            check_webhook_url(url)
        except ValueError as error:
            wrong["webhook_url"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
    if not by_mail and not url:
        wrong["by_mail"] = "Choose mail, or give the address of a webhook: otherwise nobody would be told."
    if wrong:
        raise ValidationError(wrong)
    return _save(account, {"amount": nano, "thresholds": percents, "by_mail": by_mail, "webhook_url": url})


@transaction.atomic
def _save(account: Account, values: dict[str, object]) -> Configured:
    budget, _ = Budget.objects.update_or_create(account=account, defaults={**values, "next_look_at": Now()})
    secret = ""
    if budget.webhook_url and not budget.secret_encrypted:
        secret = _new_secret(budget)
    elif not budget.webhook_url:
        Budget.objects.filter(pk=budget.pk).update(secret_encrypted="")
        Delivery.objects.filter(account=account, ended_at=None).delete()
    budget.refresh_from_db()
    return Configured(budget, secret)


@transaction.atomic
def remove(account_id: int) -> bool:
    """The budget, its webhook and the log of that. What was told stays, so that the same budget set anew tells nothing twice. Whether
    there was one."""
    Delivery.objects.filter(account_id=account_id).delete()
    deleted, _ = Budget.objects.filter(pk=account_id).delete()
    return bool(deleted)


@transaction.atomic
def forget(account_id: int) -> None:
    """The budget, and what was told too: the account is closed."""
    remove(account_id)
    Alert.objects.filter(account_id=account_id).delete()


@transaction.atomic
def rotate_secret(account_id: int) -> str:
    """A new secret, which signs from now on, later attempts of what is under way too. Raises Budget.DoesNotExist without a webhook."""
    return _new_secret(_with_webhook(account_id))


@transaction.atomic
def send_test(account_id: int) -> Delivery:
    """Owe a test webhook; it goes out within seconds, once. Raises Budget.DoesNotExist without a webhook, and TooManyTests."""
    _with_webhook(account_id)
    just_now = Delivery.objects.filter(account_id=account_id, event=TEST, created_at__gt=Now() - timedelta(minutes=1))
    if just_now.count() >= TESTS_PER_MINUTE:
        raise TooManyTests(f"{TESTS_PER_MINUTE} tests a minute are the most: wait a little")
    identifier = uuid7()
    return Delivery.objects.create(pk=identifier, account_id=account_id, event=TEST, body=test_body(identifier))


def thresholds_from_text(text: str) -> list[int]:
    """`50, 80, 100 %` → [50, 80, 100]. ValueError for anything else."""
    words = [word for word in re.split(r"[\s,;%]+", text) if word]
    if not all(re.fullmatch(r"[0-9]{1,4}", word, re.ASCII) for word in words):
        raise ValueError("Write whole numbers of percent, separated by commas, such as 50, 80, 100.")
    return [int(word) for word in words]


def webhook_rules() -> Rules:
    """Of addresses that customers give us: https, and nothing inside a private network, unless this instance is for development."""
    private = settings.ALLOW_PRIVATE_WEBHOOKS
    return Rules(
        private,
        "is not on the public internet",
        "https://example.com/hooks/budget",
        schemes=("https", "http") if private else ("https",),
        query=True,
    )


def check_webhook_url(url: str) -> None:
    """ValueError says what is wrong with it."""
    if len(url) > LONGEST_URL:
        raise ValueError(f"write an address of at most {LONGEST_URL} characters")
    check_server_url(url, webhook_rules())


def _with_webhook(account_id: int) -> Budget:
    return Budget.objects.select_for_update(no_key=True).exclude(webhook_url="").get(pk=account_id)


def _new_secret(budget: Budget) -> str:
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    Budget.objects.filter(pk=budget.pk).update(secret_encrypted=encrypt(secret, WEBHOOK_SECRET))
    return secret
