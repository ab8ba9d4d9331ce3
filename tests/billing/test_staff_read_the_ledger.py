"""Promise: staff can read the ledger and grant credit in the admin site, and change or delete nothing that was booked."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from apps.audit.models import Entry
from apps.billing import credits
from apps.billing.models import CreditPool, LedgerTransaction, PoolKind
from apps.core.ids import uuid7
from tests.people import new_customer
from tests.staff import staff_client

pytestmark = [pytest.mark.money, pytest.mark.urls("tests.staff")]


def test_the_ledger_can_be_read_and_not_changed() -> None:
    account = new_customer().account
    cause = f"tests:{uuid7()}"
    grant = credits.grant_credit(account.pk, 1_234_567_891, PoolKind.PROMOTION, cause)
    client = staff_client()
    entry = f"/admin/billing/ledgertransaction/{grant.transaction_id}"
    assert cause in client.get(f"/admin/billing/ledgertransaction/?q={cause}").content.decode()
    shown = client.get(f"{entry}/change/").content.decode()
    assert "1.234567891" in shown
    assert "-1.234567891" in shown
    assert client.post(f"{entry}/change/", {"note": "forged"}).status_code == 403
    assert client.post(f"{entry}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/billing/ledgertransaction/add/").status_code == 403
    assert client.get("/admin/billing/writeoff/").status_code == 200
    assert client.post(f"/admin/billing/creditpool/{grant.pool_id}/change/", {"remaining": "9"}).status_code == 403
    assert CreditPool.objects.get(pk=grant.pool_id).remaining == 1_234_567_891


def test_staff_grant_credit_which_the_ledger_and_the_audit_trail_show() -> None:
    account, client = new_customer().account, staff_client()
    assert b'type="hidden" name="token"' in client.get("/admin/billing/creditpool/add/").content
    data = {
        "token": uuid7(), "account": account.pk, "kind": "20", "usd": "2.5", "note": "sorry for the outage", "expires_at_0": "2060-01-01", "expires_at_1": "00:00",
    }  # fmt: skip
    for _ in range(2):  # a double click grants once
        answer = client.post("/admin/billing/creditpool/add/", data)
        assert answer.status_code == 302, answer.content.decode()
    for other in ({"usd": "3"}, {"account": new_customer().account.pk}):
        assert b"open the page anew" in client.post("/admin/billing/creditpool/add/", data | other).content
    pool = CreditPool.objects.get(account=account)
    assert (pool.kind, pool.remaining, pool.expires_at and pool.expires_at.year) == (PoolKind.PROMOTION, 2_500_000_000, 2060)
    assert LedgerTransaction.objects.get(account=account).note == "sorry for the outage"
    assert LogEntry.objects.filter(object_id=str(pool.pk), content_type__model="creditpool").count() == 1
    assert Entry.objects.filter(object_id=str(pool.pk), object_type="billing.creditpool").count() == 1
    shown = client.get(f"/admin/billing/creditpool/{pool.pk}/change/").content.decode()
    assert "2500000000" in shown
    assert client.get("/admin/billing/creditpool/").status_code == 200


@pytest.mark.parametrize(("usd", "kind"), [("0", "20"), ("-1", "20"), ("0.0000000001", "20"), ("x", "20"), ("1", "30")])
def test_a_wrong_grant_is_an_error_of_the_form(usd: str, kind: str) -> None:
    account = new_customer().account
    answer = staff_client().post("/admin/billing/creditpool/add/", {"token": uuid7(), "account": account.pk, "kind": kind, "usd": usd})
    assert answer.status_code == 200
    assert b"errorlist" in answer.content
    assert not CreditPool.objects.filter(account=account).exists()
