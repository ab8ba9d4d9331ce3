"""The ledger refuses, from whoever writes to it, what would make it lie: unbalanced lines, changes, deletions, repetitions."""

from __future__ import annotations

import psycopg
import pytest

from apps.billing.models import Book, TransactionKind
from tests.gateway.database import Database, Ending, costing

pytest_plugins = ["tests.gateway.fixtures"]


def test_postings_that_do_not_sum_to_zero_are_refused(money: Database) -> None:
    account = money.account(100)
    with pytest.raises(psycopg.errors.CheckViolation, match="do not sum to zero"), money.connection.transaction():
        money.book(account, TransactionKind.ADJUSTMENT, (Book.ADJUSTMENTS, None, 5), (Book.CASH, None, -4))


def test_a_single_posting_is_refused(money: Database) -> None:
    account = money.account(100)
    with pytest.raises(psycopg.errors.CheckViolation, match="do not sum to zero"), money.connection.transaction():
        money.book(account, TransactionKind.ADJUSTMENT, (Book.ADJUSTMENTS, None, 5))


def test_one_unbalanced_transaction_among_balanced_ones_is_refused(money: Database) -> None:
    account = money.account(100)
    with pytest.raises(psycopg.errors.CheckViolation, match="do not sum to zero"):
        money.run(
            """INSERT INTO billing_posting (transaction_id, account_id, book, amount)
               VALUES (-1, %(a)s, 4, 10), (-1, %(a)s, 6, -10), (-2, %(a)s, 4, 10), (-3, %(a)s, 6, -10)""",
            {"a": account},  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("table", ["billing_posting", "billing_ledgertransaction", "billing_writeoff"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"], ids=["update", "delete", "truncate"]
)
def test_what_is_booked_stays(money: Database, table: str, statement: str) -> None:
    account, process = money.account(100), money.register()
    request = costing(account, 100)
    money.admit(process, request)
    money.settle(Ending(request.id, account, cost=150))
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match=f"{table} is append-only"):
        money.run(statement.format(table))


def test_a_cause_is_booked_only_once(money: Database) -> None:
    account = money.account(100)
    insert = "INSERT INTO billing_ledgertransaction (account_id, kind, reference, created_at) VALUES (%s, 3, %s, now())"
    with money.connection.transaction() as everything:
        money.run(insert, (account, f"payment:{account}"))
        with pytest.raises(psycopg.errors.UniqueViolation), money.connection.transaction():
            money.run(insert, (account, f"payment:{account}"))
        raise psycopg.Rollback(everything)


@pytest.mark.parametrize(
    "change",
    ["held = remaining + 1", "held = -1", "remaining = -1", "remaining = granted + 1"],
    ids=["overheld", "negative hold", "negative", "overfull"],
)
def test_a_pool_never_holds_more_than_it_has_nor_has_more_than_was_granted(money: Database, change: str) -> None:
    account = money.account(100)
    with pytest.raises(psycopg.errors.CheckViolation):
        money.run(f"UPDATE billing_creditpool SET {change} WHERE account_id = %s", (account,))


def test_only_postings_of_the_pool_book_name_a_pool(money: Database) -> None:
    account = money.account(100)
    with pytest.raises(psycopg.errors.CheckViolation, match="pool_in_pool_book"), money.connection.transaction():
        money.book(account, TransactionKind.ADJUSTMENT, (Book.POOL, None, 5), (Book.ADJUSTMENTS, None, -5))
