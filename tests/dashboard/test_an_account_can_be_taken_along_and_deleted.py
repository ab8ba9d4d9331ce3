"""Promise: users take along everything that is kept about them, and delete their account: keys stop, names go, the books stay whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from asgiref.sync import sync_to_async
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import AsyncClient, Client
from django.utils import timezone

from apps.accounts.actions import Registered, create_account_for
from apps.accounts.models import AccountStatus, Membership, Role, Session
from apps.api_keys.actions import Limits, create_key
from apps.api_keys.models import ApiKey
from apps.billing import auto_topup, credits, expiry
from apps.billing.models import Debt, LedgerTransaction, NoticeKind, PoolKind, Posting, Trial
from apps.billing.notices import owe_mail
from apps.budgets.actions import configure
from apps.budgets.models import Budget
from apps.core.ids import uuid7
from apps.dashboard import closing
from apps.dashboard.export import PAGE, export
from apps.dashboard.models import ModelRequest
from apps.playground.models import Conversation, Message
from apps.playground.models import Role as Speaker
from apps.playground.sealing import Body, seal_body
from apps.presets.actions import edit_preset
from apps.presets.models import Preset
from tests.accounts.visitors import PASSWORD, is_logged_in, log_in, mails_to, new_member, visitor
from tests.fakes import FakeBackend
from tests.gateway.calls import ask, offer
from tests.gateway.customers import new_customer
from tests.gateway.processes import gateways_running
from tests.people import new_email
from tests.presets.samples import new_preset

USD = 10**9


def logged_in(member: Registered) -> Client:
    client = visitor()
    log_in(client, member.user.email)
    return client


def grant(member: Registered, usd: int) -> None:
    credits.grant_credit(member.account.pk, usd * USD, PoolKind.PROMOTION, f"test:{uuid7()}")


async def exported(member: Registered) -> bytes:
    return b"".join([piece async for piece in export(member.user, member.account)])


async def test_the_export_has_all_of_ones_own_and_nothing_of_others() -> None:
    member, other = await sync_to_async(new_member)(), await sync_to_async(new_member)()

    def prepare() -> str:
        grant(member, 3)
        grant(other, 7)
        SocialAccount.objects.create(user=member.user, provider="github", uid=f"u{member.user.pk}", extra_data={"login": "ada"})
        create_key(other.account, "another's key")
        new_preset(other.account, system_prompt="another's prompt")
        edit_preset(new_preset(member.account, system_prompt="At first."), {"system_prompt": "Now."})
        configure(other.account, amount="77", thresholds=[50], by_mail=True, webhook_url="")
        configure(member.account, amount="42", thresholds=[50], by_mail=True, webhook_url="http://127.0.0.1:9/")
        return create_key(member.account, "ключ «production»")[1]

    key = await sync_to_async(prepare)()
    content = await exported(member)
    found = json.loads(content)
    assert key not in content.decode()
    assert other.user.email not in content.decode()
    assert "another's prompt" not in content.decode()
    assert found["user"]["email"] == member.user.email
    assert found["user"]["connected_accounts"][0]["profile"] == {"login": "ada"}
    assert [(one["name"], one["last4"]) for one in found["api_keys"]] == [("ключ «production»", key[-4:])]
    assert [(one["granted"], one["remaining"]) for one in found["credit_pools"]] == [("3", "3")]
    assert [one["amount"] for one in found["transactions"]] == ["3"]
    assert [(one["slug"], one["parameters"], one["system_prompt"]) for one in found["presets"]] == [("support", {}, "Now.")]
    assert [(one["preset"], one["version"], one["system_prompt"]) for one in found["preset_versions"]] == [("support", 1, "At first.")]
    assert (found["budget"]["amount"], found["budget_alerts"]) == ("42", [])
    assert "secret" not in found["budget"]
    assert found["inferences"] == []
    assert found["account"]["id"] == member.account.pk


async def test_all_of_the_money_is_in_it_in_dollars() -> None:
    member = await sync_to_async(new_member)()

    def prepare() -> int:
        create_key(member.account, "capped", Limits(spend_limit_day=2 * USD, spend_limit_month=5 * USD + 1))
        auto_topup.configure(member.account, enabled=False, threshold="10", amount="25", monthly_cap="100")
        pool = credits.grant_credit(member.account.pk, 3 * USD, PoolKind.TRIAL, f"test:{uuid7()}").pool_id
        Trial.objects.update_or_create(account=member.account, defaults={"pool_id": pool})
        Debt.objects.create(account=member.account, amount=3 * USD // 2, suspended=True)
        owe_mail(member.account.pk, NoticeKind.LOW_BALANCE, "test", threshold=USD // 2)
        ModelRequest.objects.create(name="a/model", email="ada@example.com", account=member.account)
        talk = Conversation.objects.create(id=uuid7(), account=member.account, user=member.user)
        Message.objects.create(
            id=uuid7(), conversation=talk, role=Speaker.ASSISTANT, sealed_body=seal_body(Body()), cost=21, created_at=timezone.now()
        )
        return pool

    pool = await sync_to_async(prepare)()
    found = json.loads(await exported(member))
    await Debt.objects.filter(account=member.account).adelete()  # no money went back that the books know of
    assert [(key["spend_limit_day"], key["spend_limit_month"]) for key in found["api_keys"]] == [("2", "5.000000001")]
    auto = found["auto_topup"]
    assert (auto["enabled"], auto["threshold"], auto["amount"], auto["monthly_cap"]) == (False, "10", "25", "100")
    assert (found["trial"]["amount"], found["trial"]["credit_pool"]) == ("3", pool)
    assert (found["debt"]["amount"], found["debt"]["suspended"]) == ("1.5", True)
    assert [(one["kind"], one["about"], one["sent_at"]) for one in found["notices"]] == [("low_balance", {"threshold": "0.5"}, None)]
    assert [one["cost"] for one in found["messages"]] == ["0.000000021"]
    assert [(one["model"], one["email"]) for one in found["model_requests"]] == [("a/model", "ada@example.com")]
    assert [one["kind"] for one in found["transactions"]] == ["grant"]


async def test_a_long_history_is_written_whole_and_in_pieces() -> None:
    member = await sync_to_async(new_member)()

    def many() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO usage_inference
                SELECT (to_char(n, 'FM00000000') || '-0000-7000-8000-' || lpad(to_hex(%s), 12, '0'))::uuid, %s, NULL, 1, 1, NULL, NULL, 1, false, 1, 200, 'stop', '',
                  10, 0, 5, 0, false, n, n, '{}', '{}', now(), now(), 0, NULL, 5 FROM generate_series(1, %s) n""",
                [member.account.pk, member.account.pk, 2 * PAGE + 1],
            )

    await sync_to_async(many)()
    pieces = [piece async for piece in export(member.user, member.account)]
    found = json.loads(b"".join(pieces))["inferences"]
    assert [one["charged"] for one in found[:3]] == ["0.000000001", "0.000000002", "0.000000003"]
    assert len({one["id"] for one in found}) == len(found) == 2 * PAGE + 1
    assert max(piece.count(b'"http_status"') for piece in pieces) == PAGE

    def forget() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM usage_inference WHERE account_id = %s", [member.account.pk])

    await sync_to_async(forget)()


async def test_the_download_is_streamed_as_a_file() -> None:
    member = await sync_to_async(new_member)()
    client = AsyncClient()
    await sync_to_async(member.user.set_unusable_password)()  # so that no password is asked for
    await member.user.asave()
    await client.aforce_login(member.user)
    answer = await client.get("/settings/data/export")
    assert answer.status_code == 200
    assert isinstance(answer.streaming_content, AsyncIterator)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="akashml-{member.account.pk}-')
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(b"".join([piece async for piece in answer.streaming_content]))["user"]["email"] == member.user.email


@pytest.mark.money
def test_deleting_an_account_stops_its_keys_erases_names_and_keeps_the_books() -> None:
    member, bystander = new_member(), new_member()
    for one in (member, bystander):
        grant(one, 5)
    create_key(member.account, "Ada's laptop", created_by=member.user)
    kept, _ = create_key(bystander.account, "stays")
    gone, stays = new_preset(member.account), new_preset(bystander.account)
    SocialAccount.objects.create(user=member.user, provider="google", uid=f"g{member.user.pk}", extra_data={"name": "Ada"})
    member.user.name = "Ada"
    member.user.save()
    for one in (member, bystander):
        configure(one.account, amount="42", thresholds=[50], by_mail=True, webhook_url="")
    client, elsewhere = logged_in(member), logged_in(member)
    email, books = member.user.email, Posting.objects.filter(account=member.account).count()
    page = client.get("/settings/data/delete").content.decode()
    for words in ("$5.00", "1 working key", "ledger", "cannot be undone"):
        assert words in page
    for wrong in ("", "yes", bystander.user.email):
        assert client.post("/settings/data/delete", {"email": wrong}).status_code == 422
    mail.outbox = []
    answer = client.post("/settings/data/delete", {"email": f" {email.upper()} "}, follow=True)
    assert "Your account is deleted." in answer.content.decode()

    assert (is_logged_in(client), is_logged_in(elsewhere)) == (False, False)
    assert "not correct" in log_in(visitor(), email, PASSWORD).content.decode()
    assert [one.subject for one in mails_to(email)] == ["Your AkashML account is deleted"]
    member.user.refresh_from_db()
    member.account.refresh_from_db()
    assert (member.user.name, member.user.is_active, member.user.has_usable_password()) == ("", False, False)
    assert member.user.email == f"deleted-{member.user.pk}@deleted.invalid"
    assert (member.account.status, member.account.name) == (AccountStatus.CLOSED, f"Closed account {member.account.pk}")
    for table in (EmailAddress, SocialAccount, Session):
        assert not table.objects.filter(user=member.user).exists()
    key = ApiKey.objects.get(account=member.account)
    assert key.revoked_at is not None
    assert key.name == "deleted"
    assert [*Preset.objects.filter(pk__in=[gone.pk, stays.pk])] == [stays]
    assert [*Budget.objects.filter(pk__in=[member.account.pk, bystander.account.pk])] == [Budget(pk=bystander.account.pk)]
    assert credits.balance(member.account.pk).remaining == 0
    expiry.expire_credit()
    transactions = LedgerTransaction.objects.filter(account=member.account)
    assert transactions.count() == 2  # the grant, and its forfeit
    assert Posting.objects.filter(account=member.account).count() == books + 2

    kept.refresh_from_db()
    assert kept.revoked_at is None
    assert credits.balance(bystander.account.pk).remaining == 5 * USD
    again = create_account_for(email)  # the address is free again
    assert again.account.pk != member.account.pk


@pytest.mark.money
def test_an_open_request_ends_well_and_the_next_is_refused(backend: FakeBackend) -> None:
    with gateways_running(1) as [gateway]:
        model = offer(gateway, backend.base_url)
        customer = new_customer("10")
        backend.reply("Hello", prompt_tokens=100, completion_tokens=50)
        gate = backend.gate("before_headers")
        with ThreadPoolExecutor(1) as pool:
            open_request = pool.submit(ask, gateway, customer.key, model.name)
            gate.wait_reached()
            owner = Membership.objects.get(account_id=customer.account_id).user
            closing.delete_user(owner)
            gate.release()
            assert open_request.result().status == 200
        assert ask(gateway, customer.key, model.name).status == 401
        [row] = customer.settled(1)
        assert row.charged == 200_000
        expiry.expire_credit()
        assert credits.balance(customer.account_id).remaining == 0


def test_staff_and_the_only_owner_of_a_shared_account_stay() -> None:
    staff = create_account_for(new_email(), staff=True)
    with pytest.raises(ValidationError, match="staff"):
        closing.delete_user(staff.user)
    owner, colleague = new_member(), new_member()
    Membership.objects.create(account=owner.account, user=colleague.user, role=Role.MEMBER)
    with pytest.raises(ValidationError, match="other members"):
        closing.delete_user(owner.user)
    owner.user.refresh_from_db()
    assert owner.user.is_active
    closing.delete_user(colleague.user)  # their own account goes, the shared one stays
    owner.account.refresh_from_db()
    assert owner.account.status == AccountStatus.ACTIVE
    assert owner.account.memberships.count() == 1
    refused = create_account_for(new_email(), PASSWORD, staff=True)
    page = logged_in(refused).post("/settings/data/delete", {"email": refused.user.email})
    assert "Members of staff" in page.content.decode()
    assert is_logged_in(logged_in(refused))
