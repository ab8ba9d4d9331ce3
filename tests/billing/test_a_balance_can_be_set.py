"""Promise: setting a balance makes it exactly that, taking free credit in burn order and never what open requests hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.accounts.models import Account
from apps.billing import credits
from apps.billing.models import Book, CreditPool, PoolKind, Posting
from apps.core.ids import uuid7
from apps.core.money import MAX_NANO
from tests.billing.holds import held
from tests.people import new_customer

pytestmark = pytest.mark.money

SOON, LATER = datetime(2060, 1, 1, tzinfo=UTC), datetime(2070, 1, 1, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return new_customer().account


def granted(account: Account, amount: int, kind: PoolKind = PoolKind.PROMOTION, expires_at: datetime | None = None) -> CreditPool:
    grant = credits.grant_credit(account.pk, amount, kind, f"tests:{uuid7()}", expires_at=expires_at)
    return CreditPool.objects.get(pk=grant.pool_id)


def test_a_balance_goes_up_and_down_to_exactly_the_target(account: Account) -> None:
    for target in (5_000, 7_000, 7_000, 1, 0, 0, 123_456_789):
        credits.set_balance(account.pk, target)
        assert credits.balance(account.pk).remaining == target


def test_what_is_already_right_books_nothing(account: Account) -> None:
    credits.set_balance(account.pk, 5_000)
    before = Posting.objects.filter(account=account).count()
    credits.set_balance(account.pk, 5_000)
    assert Posting.objects.filter(account=account).count() == before


def test_credit_is_withdrawn_in_burn_order(account: Account) -> None:
    purchased = granted(account, 100, PoolKind.PURCHASED, SOON)
    forever = granted(account, 100)
    later = granted(account, 100, expires_at=LATER)
    soon = granted(account, 100, expires_at=SOON)
    trial = granted(account, 100, PoolKind.TRIAL)
    older = granted(account, 100)
    order = [trial, soon, later, forever, older, purchased]
    assert [pool.id for pool in credits.balance(account.pk).pools] == [pool.pk for pool in order]
    for step, target in enumerate(range(550, 0, -100)):
        credits.set_balance(account.pk, target)
        remaining = dict(CreditPool.objects.filter(account=account).values_list("pk", "remaining"))
        assert [remaining[pool.pk] for pool in order] == [0] * step + [50] + [100] * (5 - step)
    withdrawn = Posting.objects.filter(account=account, book=Book.ADJUSTMENTS).values_list("amount", flat=True)
    assert sum(withdrawn) == 600 - 50


def test_held_credit_is_not_withdrawn(account: Account) -> None:
    first, second = granted(account, 100), granted(account, 100)
    with held(first, 60), held(second, 10):
        with pytest.raises(credits.CreditHeld, match="open requests hold"):
            credits.set_balance(account.pk, 69)
        assert credits.balance(account.pk).remaining == 200
        credits.set_balance(account.pk, 70)
        balance = credits.balance(account.pk)
        assert (balance.remaining, balance.held, balance.available) == (70, 70, 0)
    assert credits.balance(account.pk).available == 70


def test_expired_credit_counts_only_for_what_is_held_of_it(account: Account) -> None:
    expired = granted(account, 100, expires_at=datetime(2001, 1, 1, tzinfo=UTC))
    with held(expired, 40):
        credits.set_balance(account.pk, 50)
        balance = credits.balance(account.pk)
        assert (balance.remaining, balance.held, balance.available) == (50, 40, 10)
        credits.set_balance(account.pk, 40)
        assert credits.balance(account.pk).available == 0
    assert credits.balance(account.pk).remaining == 0


@pytest.mark.parametrize("target", [-1, MAX_NANO + 1])
def test_only_sane_balances_are_set(account: Account, target: int) -> None:
    with pytest.raises(ValueError, match=r"^balance: "):
        credits.set_balance(account.pk, target)
