"""Promise (acceptance 42): whoever signs up with somebody else's address has nothing left once its owner turns up, by whatever way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Account, AccountStatus, Membership, Session, User
from apps.accounts.queries import user_by_email
from apps.accounts.tasks import UNVERIFIED_KEPT, clear_out
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from tests.accounts.test_google_and_github_log_in import through
from tests.accounts.test_signing_up_verifies_the_address import CONFIRM, forget_attempts
from tests.accounts.visitors import code_in, is_logged_in, last_mail_to, link_in, log_in, mails_to, new_member, sign_up, visitor
from tests.fakes.oauth import FakeIdentityProvider, Person
from tests.people import new_email

SQUATTERS = "the squatter's password"


def squat(email: str) -> Client:
    """Somebody signs up with an address that is not theirs, and waits with the page for the code open."""
    client = visitor()
    sign_up(client, email, SQUATTERS)
    forget_attempts(email)
    return client


def assert_shut_out(squatter: Client, email: str, code: str = "") -> None:
    assert not is_logged_in(squatter)
    squatter.post(CONFIRM, {"code": code or "1234-5678"})
    squatter.get(CONFIRM)
    squatter.get("/accounts/login/")
    assert not is_logged_in(squatter)
    assert "not correct" in log_in(visitor(), email, SQUATTERS).content.decode()
    log_in(squatter, email, SQUATTERS)
    assert not is_logged_in(squatter)


@pytest.mark.parametrize("name", ["google", "github"])
def test_by_google_or_github(provider: FakeIdentityProvider, name: str) -> None:
    email = new_email()
    squatter = squat(email)
    code = code_in(last_mail_to(email))
    user = user_by_email(email)
    assert user is not None
    # Were there ever a way in before an address is verified, these would be what an intruder keeps.
    intruder = Client()
    intruder.force_login(user)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    SocialAccount.objects.create(user=user, provider="google", uid=f"squatter-{email}")
    provider.person = Person(email)
    owner = visitor()
    answer = through(owner, name)
    assert answer.headers["location"] != CONFIRM  # they have proved it already
    assert "That password no longer works" in owner.get("/settings/security").content.decode()
    assert user_by_email(email) == user
    assert not is_logged_in(intruder)
    assert Session.objects.filter(user=user).count() == 1
    assert not Authenticator.objects.filter(user=user).exists()
    assert [one.uid for one in SocialAccount.objects.filter(user=user)] == [provider.person.uid]
    assert_shut_out(squatter, email, code)
    assert [(one.email, one.verified) for one in EmailAddress.objects.filter(user=user)] == [(email, True)]


def test_by_resetting_the_password() -> None:
    email = new_email()
    squatter = squat(email)
    owner = visitor()
    sign_up(owner, email, "the owner's password")
    assert "already" in last_mail_to(email).body
    owner.post("/accounts/password/reset/", {"email": email})
    page = owner.get(link_in(last_mail_to(email)))
    assert page.status_code == 302
    owner.post(page.headers["location"], {"password1": "the owner's password"})
    assert is_logged_in(owner)  # the link was mailed there: no further code
    assert_shut_out(squatter, email, code_in(mails_to(email)[0]))
    assert EmailAddress.objects.get(email=email).verified


def test_by_changing_another_accounts_address_to_it() -> None:
    email, owner, member = new_email(), visitor(), new_member()
    squatter = squat(email)
    squatters = user_by_email(email)
    assert squatters is not None
    log_in(owner, member.user.email)
    answer = owner.post("/accounts/email/", {"email": email, "action_add": ""})
    assert answer.headers["location"] == CONFIRM
    member.user.refresh_from_db()
    assert member.user.email != email  # not before it is proved
    owner.post(CONFIRM, {"code": code_in(last_mail_to(email))})
    member.user.refresh_from_db()
    assert member.user.email == email
    assert not User.objects.filter(pk=squatters.pk).exists()
    assert not Account.objects.filter(memberships=None, name=email).exists()
    assert_shut_out(squatter, email)


def test_somebody_elses_verified_address_cannot_be_taken() -> None:
    owner, thief = new_member(), new_member()
    client = visitor()
    log_in(client, thief.user.email)
    client.post("/accounts/email/", {"email": owner.user.email, "action_add": ""})
    client.post(CONFIRM, {"code": code_in(last_mail_to(owner.user.email))})  # even with the code
    thief.user.refresh_from_db()
    assert thief.user.email != owner.user.email
    assert EmailAddress.objects.get(email=owner.user.email).user == owner.user


def test_the_old_address_learns_of_the_change_and_no_longer_logs_in() -> None:
    member, email, client = new_member(), new_email(), visitor()
    old = member.user.email
    log_in(client, old)
    client.post("/accounts/email/", {"email": email, "action_add": ""})
    assert mails_to(old) == []
    client.post(CONFIRM, {"code": code_in(last_mail_to(email))})
    assert email in last_mail_to(old).body
    assert [one.email for one in EmailAddress.objects.filter(user=member.user)] == [email]
    for address, works in ((old, False), (email, True)):
        fresh = visitor()
        log_in(fresh, address)
        assert is_logged_in(fresh) == works


def test_who_was_granted_credit_before_they_verified_goes_too_and_their_books_stay() -> None:
    """Nor do they keep the address from who proves it, or the rest from being cleared out."""
    proved, stale, after = new_email(), new_email(), new_email()
    for email in (proved, stale, after):
        squat(email)
    accounts = {email: Membership.objects.get(user__email=email).account for email in (proved, stale)}
    for account in accounts.values():
        grant_credit(account.pk, 1_000_000_000, PoolKind.PROMOTION, f"early:{account.pk}")
    owner, client = new_member(), visitor()
    log_in(client, owner.user.email)
    client.post("/accounts/email/", {"email": proved, "action_add": ""})
    client.post(CONFIRM, {"code": code_in(last_mail_to(proved))})
    assert user_by_email(proved) == owner.user
    long_ago = timezone.now() - UNVERIFIED_KEPT - timedelta(minutes=1)
    User.objects.filter(email__in=(stale, after)).update(date_joined=long_ago)
    clear_out()
    assert user_by_email(stale) is None
    assert user_by_email(after) is None
    assert {Account.objects.get(pk=account.pk).status for account in accounts.values()} == {AccountStatus.CLOSED}


def test_what_nobody_verified_is_gone_after_a_week() -> None:
    stale, fresh, verified = new_email(), new_email(), new_member()
    for email in (stale, fresh):
        squat(email)
    by_staff = User.objects.create_user(new_email())  # made in the admin site: waited for
    long_ago = timezone.now() - UNVERIFIED_KEPT - timedelta(minutes=1)
    User.objects.filter(email__in=(stale, verified.user.email, by_staff.email)).update(date_joined=long_ago)
    account = Membership.objects.get(user__email=stale).account
    expired = Session.objects.create(pk="e" * 32, session_data="", expire_date=long_ago)
    clear_out()
    assert user_by_email(stale) is None
    assert not Account.objects.filter(pk=account.pk).exists()
    assert not Session.objects.filter(pk=expired.pk).exists()
    for email in (fresh, verified.user.email, by_staff.email):
        assert user_by_email(email) is not None
