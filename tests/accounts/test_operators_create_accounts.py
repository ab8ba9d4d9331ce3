"""Promise: an operator makes a user who can log in and owns one account, however often and from wherever it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import RequestFactory

from apps.accounts.actions import create_account_for
from apps.accounts.models import Account, Membership, Role, User
from apps.accounts.queries import account_by_email, account_of, user_by_email
from tests.people import new_customer, new_email
from tests.staff import staff_client


def log_in(email: str, password: str) -> User | None:
    return authenticate(RequestFactory().post("/accounts/login/"), username=email, password=password)  # type: ignore[return-value]


def test_a_new_user_can_log_in_and_owns_an_account() -> None:
    email = new_email()
    made = create_account_for(email, "a good password")
    assert made.created
    assert log_in(email, "a good password") == made.user
    assert Membership.objects.get(user=made.user).role == Role.OWNER
    address = EmailAddress.objects.get(user=made.user)
    assert (address.email, address.verified, address.primary) == (email, True, True)
    assert (made.user.is_staff, made.user.is_superuser) == (False, False)


def test_without_a_password_nobody_can_log_in() -> None:
    made = new_customer()
    assert not made.user.has_usable_password()
    assert log_in(made.user.email, "") is None


def test_addresses_are_one_whatever_their_case_and_surroundings() -> None:
    email = new_email()
    first = create_account_for(f"  {email.upper()} ")
    assert first.user.email == email
    again = create_account_for(email.capitalize())
    assert (again.user, again.account, again.created) == (first.user, first.account, False)
    assert user_by_email(email.upper()) == first.user
    assert account_by_email(email) == first.account


def test_repeating_changes_only_what_is_given() -> None:
    email = new_email()
    create_account_for(email, "the first password", staff=True)
    again = create_account_for(email)
    assert log_in(email, "the first password") == again.user
    assert (again.user.is_staff, again.user.is_superuser) == (True, True)
    create_account_for(email, "the second password")
    assert log_in(email, "the first password") is None
    assert log_in(email, "the second password") == again.user


def test_many_at_once_make_one_user_with_one_account() -> None:
    email = new_email()

    def create(number: int) -> tuple[int, int, bool]:
        try:
            made = create_account_for(email.upper() if number % 2 else email, "a good password")
            return made.user.pk, made.account.pk, made.created
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, range(8)))
    assert len({(user, account) for user, account, _ in made}) == 1
    assert sum(created for _, _, created in made) == 1
    assert Account.objects.filter(members__email=email).count() == 1


def test_a_half_made_user_is_completed() -> None:
    user = User.objects.create_user(new_email())
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=False)
    made = create_account_for(user.email)
    assert (made.user, made.created) == (user, False)
    assert account_of(user) == made.account
    assert EmailAddress.objects.filter(user=user, verified=True, primary=True).count() == 1


def test_an_address_that_another_user_has_verified_is_refused() -> None:
    other, email = new_customer().user, new_email()
    EmailAddress.objects.create(user=other, email=email, verified=True)
    with pytest.raises(ValidationError, match="another user"):
        create_account_for(email)
    assert user_by_email(email) is None


@pytest.mark.parametrize(
    "wrong", ["", "nobody", "a@", "@example.com", "a b@example.com", "a@example.com\nbcc: b", "x" * 250 + "@example.com"]
)
def test_what_is_no_address_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(ValidationError) as error:
        create_account_for(wrong)
    assert list(error.value.message_dict) == ["email"]


def test_the_own_account_comes_before_one_that_a_user_only_joined() -> None:
    older, customer = new_customer().account, new_customer()
    Membership.objects.create(account=older, user=customer.user, role=Role.MEMBER)
    assert account_of(customer.user) == customer.account
    Membership.objects.filter(account=customer.account).delete()
    assert account_of(customer.user) == older


@pytest.mark.urls("tests.staff")
def test_staff_see_users_and_accounts_and_cannot_delete_an_account() -> None:
    customer, client = new_customer(), staff_client()
    pages = ("user/", "user/add/", f"user/{customer.user.pk}/change/", "account/", "account/add/", f"account/{customer.account.pk}/change/")
    for page in pages:
        assert client.get(f"/admin/accounts/{page}").status_code == 200, page
    assert client.get(f"/admin/accounts/account/{customer.account.pk}/delete/").status_code == 403
    answer = client.post(
        "/admin/accounts/user/add/",
        {"email": new_email(), "usable_password": "true", "password1": "long enough 9", "password2": "long enough 9"},
    )
    assert answer.status_code == 302, answer.content.decode()
