"""Promise: usage is read from the sums, by index alone, and pages of the log by the account's index: never by going through a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test import Client

from apps.accounts.models import Account, Membership, User
from apps.usage import figures, log, ranges
from apps.usage.figures import Filters, Group
from apps.usage.queries import days_of_key, usage_of_keys
from apps.usage.ranges import Bucket
from tests.gateway.database import Database, utc

pytest_plugins = ["tests.gateway.fixtures"]

ACCOUNT, KEY = 10**12, 10**12 + 3
NOW = utc(2025, 7, 15, 12)
ZONE = ZoneInfo("America/New_York")
MONTH, YEAR = ranges.last_days(30, NOW, ZONE), ranges.last_days(365, NOW, ZONE)
CELLS = """
INSERT INTO usage_rollup SELECT %s + a, g.grain, t, %s + k, 1 + k %% 2, 1, 1, 1, 1, 0, 1, 0, 0, 0, t, '{300}'
FROM (VALUES (60, interval '1 hour'), (1440, '1 day'), (-60, '1 hour'), (-1440, '1 day')) g (grain, width), generate_series(0, 4) a, generate_series(0, 4) k,
  generate_series(timestamptz '2025-05-01', '2025-07-15', g.width) t
"""
ROWS = """
INSERT INTO usage_inference (id, account_id, api_key_id, model_id, price_id, dialect, streamed, status, http_status, finish_reason, error_code, prompt_tokens,
  cached_tokens, completion_tokens, reasoning_tokens, estimated, cost, charged, paid_pools, paid_amounts, admitted_at, settled_at, queue_ms, total_ms)
SELECT overlay(gen_random_uuid()::text PLACING substr(usage_uuid7_floor(t)::text, 1, 15) FROM 1)::uuid, %s + n %% 5, %s, 1, 1, 1, true, 1, 200, 'made up', '', 1, 0, 1, 0, false, 0, 0,
  '{}', '{}', t, t, 1, 1 FROM generate_series(1, 3000) n, LATERAL (SELECT timestamptz '2025-05-01' + n * interval '20 minutes' AS t) x
"""
FROM_SUMS: dict[str, Callable[[], object]] = {
    "series by model": lambda: figures.series(ACCOUNT, MONTH, Bucket.DAY, Group.MODEL),
    "series by key, filtered": lambda: figures.series(ACCOUNT, MONTH, Bucket.DAY, Group.KEY, Filters(models=[1], statuses=[1, 2])),
    "a year": lambda: figures.series(ACCOUNT, YEAR, Bucket.WEEK),
    "a month and the one before": lambda: figures.together(ACCOUNT, [(MONTH, None), (MONTH.before, None)]),
    "forecast": lambda: figures.forecast(ACCOUNT, ZONE, NOW),
    "keys": lambda: usage_of_keys([KEY]),
    "days of a key": lambda: days_of_key(KEY, (NOW - timedelta(days=30)).date()),
}
FROM_ROWS: dict[str, Callable[[], object]] = {
    "percentiles": lambda: figures.durations(ACCOUNT, MONTH, Bucket.DAY),
    "a page": lambda: log.page(ACCOUNT),
    "a page of a time": lambda: log.page(ACCOUNT, log.LogFilters(start=MONTH.start, end=MONTH.end)),
    "a filter": lambda: log.page(ACCOUNT, log.LogFilters(keys=[KEY], least_charged=1)),
}
# Whole answers. Cells and rows are of 2025: today's ranges find none, those of one's own find many.
MADE_UP = (
    "range=custom&first_day=2025-05-01&last_day=2025-05-31",
    "range=custom&first_day=2025-05-01&last_day=2025-07-15",
    "range=custom&first_day=2024-08-01&last_day=2025-07-15",
)
ADDRESSES = [
    "/dashboard",
    *(f"/usage?{days}&by={group}" for days in ("range=24h", "range=1y", *MADE_UP) for group in ("model", "key", "status")),
    f"/usage/export?{MADE_UP[2]}&format=csv",
    "/inferences",
    "/inferences?status=failed&min_charged=1",
    "/api/v1/usage?start=2025-05-01T00:00:00Z&end=2025-07-15T00:00:00Z&bucket=day&group_by=key&latency=true",
    "/api/v1/usage?start=2025-06-20T00:00:00Z&end=2025-07-15T00:00:00Z&bucket=hour",
    "/api/v1/usage?start=2024-08-01T00:00:00Z&end=2025-07-15T00:00:00Z&group_by=model&key=0",
    "/api/v1/inferences?status=failed",
]


@pytest.fixture
def year(money: Database) -> Iterator[None]:
    money.run(CELLS, (ACCOUNT, ACCOUNT))
    money.run(ROWS, (ACCOUNT, KEY))
    money.run("UPDATE usage_rollupmark SET settled_until = clock_timestamp()")
    money.run("VACUUM ANALYZE usage_rollup")
    money.run("ANALYZE usage_inference")
    yield
    money.run("DELETE FROM usage_inference WHERE finish_reason = 'made up'")
    money.run("TRUNCATE usage_rollup")
    money.run("UPDATE usage_rollupmark SET settled_until = '-infinity'")


def reads(ask: Callable[[], object]) -> dict[str, tuple[int, int]]:
    """By table: how often it was gone through, and how many of its rows were fetched by an index."""
    with transaction.atomic(), connection.cursor() as cursor:
        assert ask()
        cursor.execute(
            "SELECT relname, coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname ~ '^usage_(rollup|inference)'"
        )
        return {name: (through, fetched) for name, through, fetched in cursor.fetchall() if name != "usage_rollupmark"}


def test_the_index_of_the_sums_holds_all_that_sums_are_made_of(money: Database) -> None:
    """Whether a plan uses it so depends on how much is vacuumed; that it can, on the index."""
    with money.connection.transaction():
        money.run("SET LOCAL enable_seqscan = off")
        money.run("SET LOCAL enable_bitmapscan = off")
        plan = money.rows(
            """EXPLAIN SELECT api_key_id, model_id, status, dialect, sum(requests), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens),
                 sum(reasoning_tokens), sum(cost), sum(charged) FROM usage_rollup
               WHERE account_id = 1 AND grain = 60 AND start >= '2025-01-01' AND start < '2025-02-01' GROUP BY 1, 2, 3, 4"""
        )
    assert any("Index Only Scan using usage_rollup_pkey" in line for (line,) in plan)


def test_no_question_goes_through_a_table(year: None) -> None:
    for name, ask in FROM_SUMS.items():
        assert {through for through, _ in reads(ask).values()} == {0}, name
    for name, ask in FROM_ROWS.items():
        found = reads(ask)
        assert {through for through, _ in found.values()} == {0}, name
        assert sum(fetched for _, fetched in found.values()) > 0, name


def test_no_page_goes_through_a_table(year: None) -> None:
    """The pages' own questions, as they are: of one of many accounts, whose cells and rows are a fifth of what is there."""
    account = Account.objects.create(id=ACCOUNT, name="one of many")
    user = User.objects.create(email="reads@example.com")
    Membership.objects.create(account=account, user=user)
    client = Client()
    client.force_login(user)
    for address in ADDRESSES:
        found = reads(lambda address=address: client.get(address).status_code == 200)
        assert {name for name, (through, _) in found.items() if through} == set(), address
    user.delete()
    account.delete()
