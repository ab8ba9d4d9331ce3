"""Promise: create_account and grant_credit do what their arguments say, print JSON, and name what is wrong."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import RequestFactory

from apps.accounts.models import User
from apps.billing import credits
from apps.billing.models import CreditPool
from tests.billing.holds import held
from tests.people import new_customer, new_email

pytestmark = pytest.mark.money


def run(*arguments: str) -> tuple[dict[str, Any], str]:
    """The printed JSON and standard error of a command."""
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return json.loads(out.getvalue()), err.getvalue()


def test_an_account_is_created_with_its_whole_balance() -> None:
    email = new_email()
    answer, err = run("create_account", "--email", email, "--password", "correct horse battery", "--credit", "12.345678901")
    user = User.objects.get(email=email)
    [account] = user.accounts.all()
    assert answer == {
        "email": email, "account_id": account.pk, "user_id": user.pk, "balance": "12.345678901", "staff": False, "created": True,
    }  # fmt: skip
    assert err == ""
    assert authenticate(RequestFactory().post("/accounts/login/"), username=email, password="correct horse battery") == user


def test_repeating_sets_the_balance_again_and_not_on_top() -> None:
    email = new_email()
    for credit in ("10", "10", "3", "0", "4.5"):
        answer, _ = run("create_account", "--email", email, "--credit", credit)
        assert answer["balance"] == credit
    answer, _ = run("create_account", "--email", email.upper())
    assert (answer["balance"], answer["created"], answer["email"]) == ("4.5", False, email)


def test_staff_may_do_everything_in_the_admin_site() -> None:
    answer, _ = run("create_account", "--email", new_email(), "--staff")
    user = User.objects.get(pk=answer["user_id"])
    assert answer["staff"]
    assert (user.is_staff, user.is_superuser) == (True, True)


def test_a_weak_password_is_accepted_with_a_warning() -> None:
    email = new_email()
    _, err = run("create_account", "--email", email, "--password", "pw")
    assert err.startswith("Warning: ")
    assert authenticate(RequestFactory().post("/accounts/login/"), username=email, password="pw") is not None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--credit", "-1"], "--credit: "),
        (["--credit", "nan"], "--credit: "),
        (["--credit", "0.0000000001"], "--credit: "),
        (["--credit", "1000000001"], "--credit: "),
        (["--password", ""], "--password: "),
        (["--email", "nobody"], "--email: "),
    ],
)
def test_a_wrong_argument_is_named_and_makes_nobody(arguments: list[str], named: str) -> None:
    email = new_email()
    with pytest.raises(CommandError, match=named):
        run("create_account", "--email", email, *arguments)
    assert not User.objects.filter(email=email).exists()


def test_a_balance_below_what_is_held_is_refused_and_nothing_else_changes() -> None:
    email = new_email()
    answer, _ = run("create_account", "--email", email, "--credit", "1")
    with (
        held(CreditPool.objects.get(account_id=answer["account_id"]), 10**9),
        pytest.raises(CommandError, match="--credit: open requests hold 1 USD"),
    ):
        run("create_account", "--email", email, "--credit", "0.5", "--staff")
    assert not User.objects.get(email=email).is_staff
    assert credits.balance(answer["account_id"]).remaining == 10**9


def test_a_grant_comes_on_top_and_may_expire() -> None:
    email = new_email()
    run("create_account", "--email", email, "--credit", "1")
    answer, _ = run("grant_credit", "--email", email, "--amount", "2.5")
    assert (answer["amount"], answer["balance"], answer["expires_at"]) == ("2.5", "3.5", None)
    answer, _ = run("grant_credit", "--email", email.upper(), "--amount", "1", "--expires-at", "2060-01-01T02:00:00+02:00")
    assert (answer["balance"], answer["expires_at"]) == ("4.5", "2060-01-01T00:00:00+00:00")
    answer, _ = run("grant_credit", "--email", email, "--amount", "1", "--expires-at", "2001-01-01")
    assert answer["balance"] == "4.5"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--amount", "0"], "--amount: "),
        (["--amount", "-1"], "--amount: "),
        (["--amount", "1e9999999"], "--amount: "),
        (["--amount", "1", "--expires-at", "never"], "--expires-at: "),
    ],
)
def test_a_wrong_grant_is_named_and_grants_nothing(arguments: list[str], named: str) -> None:
    customer = new_customer()
    with pytest.raises(CommandError, match=named):
        run("grant_credit", "--email", customer.user.email, *arguments)
    assert credits.balance(customer.account.pk).remaining == 0


def test_a_grant_to_nobody_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="create_account"):
        run("grant_credit", "--email", "nobody@example.com", "--amount", "1")
