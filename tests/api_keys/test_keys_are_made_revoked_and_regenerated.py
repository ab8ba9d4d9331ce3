"""Promise: a key is stored by its digest alone, revoking is final, and regenerating replaces it in one step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from apps.api_keys import minting, queries
from apps.api_keys.actions import Limits, create_key, regenerate_key, revoke_key
from apps.api_keys.models import ApiKey, Scope
from tests.people import new_customer
from tests.staff import staff_client

LIMITS = Limits(rpm=60, tpm=100_000, max_concurrent=5, expires_at=datetime(2020, 1, 1, tzinfo=UTC))


def whole_row(row: ApiKey) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM api_keys_apikey k WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


def test_a_key_is_found_by_its_digest_and_stored_nowhere() -> None:
    customer = new_customer()
    row, key = create_key(customer.account, "  main ", LIMITS, Scope.MANAGEMENT, customer.user)
    found = ApiKey.objects.get(digest=minting.digest(key))
    assert found == row
    assert (found.name, found.last4, found.scope, found.created_by) == ("main", key[-4:], Scope.MANAGEMENT, customer.user)
    assert (found.rpm, found.tpm, found.max_concurrent, found.expires_at) == (60, 100_000, 5, LIMITS.expires_at)
    assert key not in whole_row(row)
    assert key[5:-4] not in whole_row(row)


@pytest.mark.parametrize(
    ("name", "limits", "field"),
    [
        ("", Limits(), "name"),
        ("   ", Limits(), "name"),
        ("x" * 101, Limits(), "name"),
        ("a\x00b", Limits(), "name"),
        ("ok", Limits(rpm=0), "rpm"),
        ("ok", Limits(rpm=1_000_001), "rpm"),
        ("ok", Limits(tpm=-1), "tpm"),
        ("ok", Limits(max_concurrent=0), "max_concurrent"),
    ],
)
def test_a_wrong_field_is_named(name: str, limits: Limits, field: str) -> None:
    account = new_customer().account
    with pytest.raises(ValidationError) as error:
        create_key(account, name, limits)
    assert list(error.value.message_dict) == [field]
    assert not ApiKey.objects.filter(account=account).exists()


def test_revoking_is_final_and_keeps_its_first_time() -> None:
    row, _ = create_key(new_customer().account, "k")
    assert revoke_key(row)
    first = row.revoked_at
    assert first is not None
    assert not revoke_key(row)
    assert ApiKey.objects.get(pk=row.pk).revoked_at == first


def test_a_regenerated_key_has_the_same_limits_and_the_old_one_is_revoked() -> None:
    customer = new_customer()
    old, old_key = create_key(customer.account, "k", LIMITS, Scope.MANAGEMENT)
    new, new_key = regenerate_key(old, customer.user)
    assert new.pk != old.pk
    assert new_key != old_key
    assert (new.name, new.scope, new.account) == (old.name, old.scope, old.account)
    assert (new.rpm, new.tpm, new.max_concurrent, new.expires_at) == (60, 100_000, 5, LIMITS.expires_at)
    assert ApiKey.objects.get(digest=minting.digest(old_key)).revoked_at is not None
    assert list(queries.keys_of(customer.account)) == [new]
    assert list(queries.usable_keys_of(customer.account)) == []  # it expired in 2020


def test_a_key_regenerated_many_times_at_once_has_one_successor() -> None:
    old, _ = create_key(new_customer().account, "k")

    def regenerate(number: int) -> bool:
        try:
            regenerate_key(ApiKey.objects.get(pk=old.pk))
        except ValidationError:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(regenerate, range(8))) == 1
    assert queries.keys_of(old.account).count() == 1


@pytest.mark.urls("tests.staff")
def test_staff_see_the_last_four_characters_and_can_revoke() -> None:
    row, key = create_key(new_customer().account, "k")
    client = staff_client()
    for page in (f"?q={key[-4:]}", f"{row.pk}/change/"):
        shown = client.get(f"/admin/api_keys/apikey/{page}").content.decode()
        assert key[-4:] in shown
        assert key[5:-4] not in shown
        assert minting.digest(key).hex() not in shown
    assert client.get("/admin/api_keys/apikey/add/").status_code == 403
    client.post("/admin/api_keys/apikey/", {"action": "revoke", "_selected_action": [row.pk]})
    assert ApiKey.objects.get(pk=row.pk).revoked_at is not None
