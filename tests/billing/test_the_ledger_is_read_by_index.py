"""Promise: an account with very much usage sees its few other transactions at once: they are found without looking through its usage."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.billing.models import TransactionKind
from apps.billing.queries import burn_rate, transactions_page

# Usage of two accounts, and of each a purchase among two hundred of others.
ROWS = """
INSERT INTO billing_ledgertransaction (id, account_id, kind, reference, note, created_at)
SELECT 9000000000 + n, 900000001 + n % 2, 1, 'made up: ' || n, '', now() - n * interval '1 minute' FROM generate_series(1, 6000) n
UNION ALL SELECT 9100000000 + n, 900000000 + n, 3, 'made up: ' || n, '', now() - n * interval '1 day' FROM generate_series(1, 200) n
"""


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db
def test_other_kinds_than_usage_have_an_index_of_their_own() -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # transactions without postings
            cursor.execute(ROWS)
            cursor.execute("ANALYZE billing_ledgertransaction")
        with CaptureQueriesContext(connection) as sent:
            page = transactions_page(900_000_001, kinds=(TransactionKind.PURCHASE, TransactionKind.REFUND))
        assert [line.kind for line in page.lines] == [TransactionKind.PURCHASE]
        plan = plan_of(sent.captured_queries[0]["sql"])
        assert "billing_ledger_but_usage" in plan, plan
        with CaptureQueriesContext(connection) as sent:
            rate = burn_rate(900_000_001)
        assert (rate.per_day, rate.days_left) == (0, None)
        [burn] = [query["sql"] for query in sent.captured_queries if "billing_posting" in query["sql"]]
        plan = plan_of(burn)
        assert "billing_ledger_by_time" in plan, plan
        transaction.set_rollback(True)
