"""Promise: support, finance, operators and admins may each do what they are there for, and nothing else; staff without a second factor
get nowhere in production."""

from __future__ import annotations

from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Account, AccountStatus, User
from apps.billing.credits import balance
from apps.staff.roles import load_roles
from tests.people import new_customer, new_email
from tests.staff_pages.roles import browser_of, member_of

ROLES = ("support", "finance", "operator", "admin", "superuser")
READ = ["accounts/account/", "accounts/user/", "billing/payment/", "billing/ledgertransaction/", "catalog/model/", "catalog/backend/", "usage/inference/", "api_keys/apikey/"]  # fmt: skip
# Which roles may open a page of the admin.
PAGES = {
    **dict.fromkeys(READ, ROLES),
    "audit/entry/": ("finance", "operator", "admin", "superuser"),
    "billing/creditpool/add/": ("finance", "admin", "superuser"),
    "billing/reversal/add/": ("finance", "admin", "superuser"),
    "catalog/model/add/": ("operator", "admin", "superuser"),
    "catalog/backend/add/": ("operator", "admin", "superuser"),
    "accounts/user/add/": ("admin", "superuser"),
}
# Which roles may do what at an account's desk.
DEEDS = {
    "suspend": ("finance", "operator", "admin", "superuser"),
    "grant": ("support", "finance", "admin", "superuser"),
    "refund": ("finance", "admin", "superuser"),
    "view": ROLES,
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_the_pages_it_is_for(role: str) -> None:
    client = browser_of(member_of(role))
    opened = {page: client.get(f"/admin/{page}").status_code for page in PAGES}
    assert opened == {page: 200 if role in roles else 403 for page, roles in PAGES.items()}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_at_the_desk_what_it_is_for(role: str) -> None:
    account, client = new_customer().account, browser_of(member_of(role))
    desk = f"/admin/accounts/account/{account.pk}/desk/"
    assert client.get(desk).status_code == 200
    answers = {
        "grant": client.post(desk, {"deed": "grant", "token": uuid4(), "usd": "1", "kind": 20, "reason": "sorry"}).status_code,
        "refund": client.post(desk, {"deed": "refund", "token": uuid4(), "usd": "1", "reason": "x"}).status_code,  # 422: it has no payment
        "suspend": client.post(desk, {"deed": "suspend", "reason": "abuse"}).status_code,
        "view": client.post(f"/admin/accounts/account/{account.pk}/view/", {"reason": "ticket 7"}).status_code,
    }
    assert answers == {deed: (422 if deed == "refund" else 302) if role in roles else 403 for deed, roles in DEEDS.items()}
    assert (balance(account.pk).remaining > 0) == (role in DEEDS["grant"])
    assert (Account.objects.get(pk=account.pk).status == AccountStatus.SUSPENDED) == (role in DEEDS["suspend"])


def test_customers_and_visitors_get_nothing() -> None:
    account = new_customer()
    for client in (browser_of(account.user), Client()):
        for page in (*PAGES, f"accounts/account/{account.account.pk}/desk/"):
            assert client.get(f"/admin/{page}").status_code == 302, page  # to the log-in


def test_support_cannot_grant_more_than_its_share_by_asking_often(settings: Settings) -> None:
    settings.STAFF_SMALL_GRANT_USD = 3
    account, client = new_customer().account, browser_of(member_of("support"))
    desk = f"/admin/accounts/account/{account.pk}/desk/"
    statuses = [client.post(desk, {"deed": "grant", "token": uuid4(), "usd": usd, "kind": 20, "reason": "sorry"}).status_code for usd in ("3.01", "2", "1.5", "1", "0.01")]  # fmt: skip
    assert statuses == [422, 302, 422, 302, 422]
    assert balance(account.pk).remaining == 3_000_000_000


def test_an_admin_cannot_become_more_than_an_admin() -> None:
    me, above = member_of("admin"), member_of("superuser")
    client = browser_of(me)
    data = {"email": me.email, "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": Group.objects.get(name="admin").pk}
    client.post(f"/admin/accounts/user/{me.pk}/change/", data)
    assert not User.objects.get(pk=me.pk).is_superuser
    assert client.post(f"/admin/accounts/user/{above.pk}/change/", {"email": new_email()}).status_code == 403
    assert client.post(f"/admin/accounts/user/{above.pk}/password/", {"password1": "another passphrase", "password2": "another passphrase"}).status_code == 403  # fmt: skip
    client.post("/admin/accounts/user/", {"action": "remove_second_factors", "_selected_action": [above.pk]})
    assert User.objects.get(pk=above.pk).password == above.password


def test_whoever_changed_a_role_by_hand_finds_it_as_the_code_says_after_the_next_migrate() -> None:
    group = Group.objects.get(name="support")
    before = set(group.permissions.values_list("pk", flat=True))
    group.permissions.clear()
    load_roles()
    assert set(group.permissions.values_list("pk", flat=True)) == before != set()


def test_staff_need_a_second_factor(settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR = True
    user = member_of("superuser")
    client = browser_of(user)
    for page in ("", "accounts/account/", f"accounts/account/{new_customer().account.pk}/desk/"):
        assert client.get(f"/admin/{page}").headers["location"] == "/settings/security"
    assert client.post("/admin/accounts/user/add/", {"email": new_email()}).status_code == 302
    TOTP.activate(user, generate_totp_secret())
    assert Authenticator.objects.filter(user=user).exists()
    assert client.get("/admin/").status_code == 200
