"""Promise: who signs up gets trial credit once their address is verified: once an account, once an address; accounts that an operator
makes get none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from pytest_django import Settings

from apps.accounts.actions import Registered
from apps.accounts.models import Account, AccountStatus
from apps.billing import payment_step as payments
from apps.billing import trial as trials
from apps.billing.credits import balance
from apps.billing.models import CreditPool, LedgerTransaction, PaymentMethod, PoolKind, Trial
from apps.billing.payment_step import PaymentStep
from apps.billing.trial import grant_due_trial, promise_trial
from tests.accounts.visitors import code_in, last_mail_to, sign_up, visitor
from tests.people import new_customer, new_email

USD = 10**9


@pytest.fixture
def newcomer() -> Registered:
    """Signed up and verified; the promise is not kept yet."""
    made = new_customer()
    promise_trial(made.account)
    return made


def credit(account: Account) -> int:
    return balance(account.pk).remaining


@pytest.mark.money
def test_who_signs_up_on_the_site_has_it_on_the_first_page_they_see(settings: Settings) -> None:
    settings.TRIAL_CREDIT_USD = "7.5"
    client, email = visitor(), new_email()
    sign_up(client, email)
    account = Trial.objects.get(account__members__email=email).account
    assert client.get("/dashboard").status_code == 302  # not verified: not logged in
    assert grant_due_trial(account) is not None
    assert credit(account) == 0
    confirmed = client.post("/accounts/confirm-email/", {"code": code_in(last_mail_to(email))})
    assert confirmed.headers["location"] == "/dashboard"
    page = client.get("/dashboard")
    assert "$7.50" in page.text
    assert client.get("/dashboard").status_code == 200
    assert credit(account) == 7_500_000_000
    [pool] = CreditPool.objects.filter(account=account)
    assert pool.kind == PoolKind.TRIAL
    assert pool.expires_at is not None
    assert timedelta(days=29) < pool.expires_at - pool.created_at < timedelta(days=31)


@pytest.mark.money
def test_many_pages_at_once_grant_it_once(newcomer: Registered) -> None:
    def visit(_: int) -> None:
        grant_due_trial(Account.objects.get(pk=newcomer.account.pk))
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(16)))
    assert credit(newcomer.account) == 5 * USD
    promise_trial(newcomer.account)
    grant_due_trial(newcomer.account)
    assert credit(newcomer.account) == 5 * USD


@pytest.mark.money
def test_an_address_gets_it_once_whichever_account_it_comes_to(newcomer: Registered) -> None:
    grant_due_trial(newcomer.account)
    email = newcomer.user.email
    EmailAddress.objects.filter(user=newcomer.user).delete()
    newcomer.user.delete()
    again = new_customer()
    EmailAddress.objects.filter(user=again.user).update(email=email.upper())
    promise_trial(again.account)
    assert grant_due_trial(again.account) is None
    assert grant_due_trial(again.account) is None  # the promise is void, and nobody asks again
    assert credit(again.account) == 0
    [booked] = LedgerTransaction.objects.filter(account=newcomer.account)
    assert email not in f"{booked.reference} {booked.note}"


@pytest.mark.money
def test_an_operators_account_gets_none_and_keeps_its_exact_balance() -> None:
    made = new_customer()
    assert grant_due_trial(made.account) is None
    client = visitor()
    client.force_login(made.user)
    assert client.get("/dashboard").status_code == 200
    assert credit(made.account) == 0


@pytest.mark.parametrize("why_not", ["unverified", "suspended", "payment"])
def test_it_waits_until_it_is_due(newcomer: Registered, monkeypatch: pytest.MonkeyPatch, why_not: str) -> None:
    account = newcomer.account
    wanted = PaymentStep(offered=True, url="/settings/billing")
    if why_not == "unverified":
        EmailAddress.objects.filter(user=newcomer.user).update(verified=False)
    elif why_not == "suspended":
        account.status = AccountStatus.SUSPENDED
    else:
        monkeypatch.setattr(trials, "payment_step", lambda account_id: wanted)
    trial = grant_due_trial(account)
    assert trial is not None
    assert trial.pool is None
    assert credit(account) == 0
    EmailAddress.objects.filter(user=newcomer.user).update(verified=True)
    account.status = AccountStatus.ACTIVE
    monkeypatch.setattr(trials, "payment_step", lambda account_id: PaymentStep(True, "Visa ending in 4242", "/settings/billing"))
    PaymentMethod.objects.create(
        account=account, stripe_id=f"pm_{account.pk}", livemode=False, fingerprint=f"of {account.pk}", brand="visa", last4="4242", exp_month=1, exp_year=2040
    )  # fmt: skip
    granted = grant_due_trial(account)
    assert granted is not None
    assert granted.pool is not None
    assert credit(account) == 5 * USD


def test_where_none_is_given_none_is_promised(settings: Settings) -> None:
    settings.TRIAL_CREDIT_USD = 0
    made = new_customer()
    promise_trial(made.account)
    assert not Trial.objects.filter(account=made.account).exists()


def test_it_need_not_expire(settings: Settings, newcomer: Registered) -> None:
    settings.TRIAL_CREDIT_DAYS = 0
    trial = grant_due_trial(newcomer.account)
    assert trial is not None
    assert trial.pool is not None
    assert trial.pool.expires_at is None


def test_without_stripe_nobody_is_asked_for_a_card() -> None:
    step = payments.payment_step(1)
    assert (step.offered, step.satisfied) == (False, True)
    assert not PaymentStep(offered=True).satisfied
    assert PaymentStep(offered=True, verified="Visa").satisfied
