"""Promise: create_api_key prints the key and nothing else; revoke_api_key finds it by its last four characters."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.api_keys import minting
from apps.api_keys.models import ApiKey, Scope
from tests.people import new_customer


def run(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command."""
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def stored(printed: str) -> ApiKey:
    return ApiKey.objects.get(digest=minting.digest(printed.strip()))


def test_the_key_alone_is_printed_and_works_without_limits_when_none_are_given() -> None:
    email = new_customer().user.email
    out, err = run("create_api_key", "--email", email.upper(), "--name", "main")
    assert minting.well_formed(out.removesuffix("\n"))
    assert err == ""
    key = stored(out)
    assert (key.name, key.scope, key.rpm, key.tpm, key.max_concurrent, key.expires_at) == ("main", Scope.INFERENCE, None, None, None, None)


def test_limits_are_kept_and_an_expiry_may_lie_in_the_past() -> None:
    arguments = ("--rpm", "10", "--tpm", "2000", "--max-concurrent", "3", "--expires-at", "2001-02-03T04:05:06+01:00", "--management")
    out, _ = run("create_api_key", "--email", new_customer().user.email, "--name", "k", *arguments)
    key = stored(out)
    assert (key.rpm, key.tpm, key.max_concurrent, key.scope) == (10, 2000, 3, Scope.MANAGEMENT)
    assert key.expires_at == datetime(2001, 2, 3, 3, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rpm", "0"], "--rpm: "),
        (["--rpm", "x"], "--rpm: "),
        (["--tpm", "-5"], "--tpm: "),
        (["--max-concurrent", "1000000000"], "--max-concurrent: "),
        (["--expires-at", "soon"], "--expires-at: "),
        (["--name", ""], "--name: "),
    ],
)
def test_a_wrong_argument_is_named_and_makes_no_key(arguments: list[str], named: str) -> None:
    customer = new_customer()
    with pytest.raises(CommandError, match=named):
        run("create_api_key", "--email", customer.user.email, "--name", "k", *arguments)
    assert not ApiKey.objects.filter(account=customer.account).exists()


def test_an_unknown_address_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="create_account"):
        run("create_api_key", "--email", "nobody@example.com", "--name", "k")


def test_a_key_is_revoked_by_its_last_four_characters_and_repeating_is_harmless() -> None:
    email = new_customer().user.email
    kept, _ = run("create_api_key", "--email", email, "--name", "kept")
    out, _ = run("create_api_key", "--email", email, "--name", "gone")
    last4 = out.strip()[-4:]
    assert run("revoke_api_key", last4, "--email", email) == (f"Revoked gone …{last4}\n", "")
    assert stored(out).revoked_at is not None
    assert stored(kept).revoked_at is None
    assert run("revoke_api_key", last4, "--email", email) == ("", f"The key …{last4} was revoked already.\n")


def test_a_key_of_another_account_is_not_touched() -> None:
    out, _ = run("create_api_key", "--email", new_customer().user.email, "--name", "k")
    with pytest.raises(CommandError, match="LAST4"):
        run("revoke_api_key", out.strip()[-4:], "--email", new_customer().user.email)
    assert stored(out).revoked_at is None


def test_several_keys_with_the_same_ending_are_named_and_none_is_revoked() -> None:
    customer = new_customer()
    for name in ("one", "two"):
        ApiKey.objects.create(account=customer.account, name=name, digest=minting.digest(minting.mint()), last4="same")
    with pytest.raises(CommandError, match="'one', 'two'"):
        run("revoke_api_key", "same", "--email", customer.user.email)
    assert not ApiKey.objects.filter(account=customer.account).exclude(revoked_at=None).exists()
