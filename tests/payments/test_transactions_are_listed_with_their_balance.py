"""Promise: an account's transactions are listed newest first, page by page, with the balance after each, and nothing of others."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone

from apps.api_keys.actions import create_key
from apps.billing import queries
from apps.billing.credits import set_balance
from apps.billing.models import TransactionKind
from tests.gateway.customers import Customer
from tests.gateway.settlers import Process, ending
from tests.payments.shop import USD, Shop
from tests.people import new_customer

pytestmark = pytest.mark.money


def test_pages_join_without_gaps_and_the_balance_runs_down_to_zero(shop: Shop) -> None:
    payer, payment = shop.paid(25)
    account = payer.account.pk
    for balance in (20, 30, 7, 7, 0, 12):
        set_balance(account, balance * USD)
    whole = queries.transactions_page(account).lines
    assert [line.balance for line in whole] == [usd * USD for usd in (12, 0, 7, 30, 20, 25)]
    assert whole[-1].receipt == payment.receipt.number
    assert whole[-1].kind == TransactionKind.PURCHASE
    assert all(line.balance - line.amount == after for line, after in zip(whole, [one.balance for one in whole[1:]] + [0], strict=True))  # type: ignore[operator]
    found, cursor = [], None
    while True:
        page = queries.transactions_page(account, cursor=cursor, limit=2)
        found += page.lines
        if page.next is None:
            break
        cursor = page.next
    assert found == whole == list(queries.all_transactions(account))


def test_filters_leave_out_and_then_there_is_no_running_balance(shop: Shop) -> None:
    payer, _ = shop.paid(25)
    set_balance(payer.account.pk, 5 * USD)
    lines = queries.transactions_page(payer.account.pk, kinds=[TransactionKind.PURCHASE]).lines
    assert [(line.kind, line.amount, line.balance) for line in lines] == [(TransactionKind.PURCHASE, 25 * USD, None)]
    assert queries.transactions_page(payer.account.pk, end=lines[0].created_at).lines == []
    assert len(queries.transactions_page(payer.account.pk, start=lines[0].created_at, end=timezone.now()).lines) == 2


@pytest.mark.parametrize("cursor", ["", "x", "1_2", "1_2_x", "9" * 30 + "_1_", "-1_-1_-1_-1"])
def test_a_cursor_that_was_not_given_out_is_refused(shop: Shop, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        queries.transactions_page(new_customer().account.pk, cursor=cursor)


def test_the_rate_at_which_it_burns(shop: Shop) -> None:
    account = new_customer().account
    assert queries.burn_rate(account.pk) == queries.BurnRate(0, None)
    set_balance(account.pk, 10 * USD)
    key, _ = create_key(account, "k")

    async def spend() -> None:
        async with Process() as process:
            await process.settling.settle(ending(Customer(account.pk, "", key.pk, ""), cost=USD))

    asyncio.run(spend())
    rate = queries.burn_rate(account.pk)
    assert rate.per_day == 24 * USD  # what was used in an hour, at the least span
    assert rate.days_left == 9 / 24
