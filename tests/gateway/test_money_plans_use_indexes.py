"""Admission, settlement and renewal look rows up by index on filled tables: no statement in them reads a table from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from apps.core.ids import uuid7
from tests.gateway.database import ADMITTED, CHARGED_DIRECTLY, SETTLED, Checkpoint, Database, Ending, Request, costing

pytest_plugins = ["tests.gateway.fixtures"]

ROWS = 4_000
FILL = f"""
INSERT INTO accounts_account (name, status, time_zone, created_at) SELECT 'crowd', 1, 'UTC', now() FROM generate_series(1, {ROWS});
INSERT INTO api_keys_apikey (account_id, name, digest, last4, scope, created_at)
  SELECT id, 'crowd', decode(md5(id::text) || md5('x' || id), 'hex'), '0000', 1, now() FROM accounts_account WHERE name = 'crowd';
INSERT INTO api_keys_limiter SELECT id, 0, array_fill(0, ARRAY[61]), array_fill(0::bigint, ARRAY[61]), 0, 0, 1 FROM api_keys_apikey WHERE name = 'crowd';
INSERT INTO billing_creditpool (account_id, kind, granted, remaining, held, created_at)
  SELECT id, 30, 10, 10, 0, now() FROM accounts_account WHERE name = 'crowd';
INSERT INTO gateway_hold (id, account_id, key_id, process_id, amount, pools, pool_amounts, tpm_second, tpm_tokens, model_id, price_id, dialect, streamed, admitted_at)
  SELECT gen_random_uuid(), account_id, id, 1, 0, '{{}}', '{{}}', 0, 0, 1, 1, 1, true, now() FROM api_keys_apikey WHERE name = 'crowd';
INSERT INTO usage_inference SELECT gen_random_uuid(), id, NULL, 1, 1, NULL, NULL, 1, true, 1, 200, '', '', 0, 0, 0, 0, false, 0, 0, '{{}}', '{{}}', now(), now(), 0, NULL, 0
  FROM accounts_account WHERE name = 'crowd';
"""


@pytest.fixture(params=["planned on empty tables", "planned on filled tables", "analysed"])
def crowd(money: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A session in a transaction, never committed, with tables full of other people's rows."""
    with money.connection.transaction() as everything:
        if request.param == "planned on empty tables":  # a session's plans stay until the statistics change
            story(money)
        for statement in FILL.split(";\n"):
            money.run(statement)
        if request.param == "analysed":
            for table in (
                "accounts_account",
                "api_keys_apikey",
                "api_keys_limiter",
                "billing_creditpool",
                "gateway_hold",
                "usage_inference",
            ):
                money.run(f"ANALYZE {table}")
        yield money
        raise psycopg.Rollback(everything)


def story(money: Database) -> None:
    """Everything that the hot path calls, in a batch of 30 requests of 15 accounts with limits."""
    process = money.register()
    accounts = [money.account(1_000, 1_000) for _ in range(15)]
    keys = [money.key(account, rpm=100, tpm=10_000, max_concurrent=10) for account in accounts]
    for _ in range(2):  # the second time the limiters are there
        requests = [costing(a, 30, k, tpm_tokens=5) for a, k in zip(accounts, keys, strict=True) for _ in range(2)]
        assert {d.code for d in money.admit(process, *requests)} == {ADMITTED}
        assert {d.code for d in money.admit(process, *requests, skip_locked=False)} == {ADMITTED}
        assert money.renew(process, *(Checkpoint(r.id, 1) for r in requests)) == set()
        endings = [Ending(r.id, r.account, r.key, cost=20 + 3 * n) for n, r in enumerate(requests)]
        assert {o.code for o in money.settle(*endings)} == {SETTLED}
        assert money.settle(Ending(uuid7(), accounts[0], cost=1)) == [(CHARGED_DIRECTLY, 1)]


def scans_during(money: Database, process: int, requests: list[Request]) -> set[str]:
    """The tables of which the hot path read every row, once the keys' limiters are there."""
    # The processes' leases are one page: reading all of it is right.
    counted = "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname <> 'gateway_process'"
    before = dict(money.rows(counted))
    money.admit(process, *requests)
    money.renew(process, *(Checkpoint(r.id, 1) for r in requests))
    money.settle(*(Ending(r.id, r.account, r.key, cost=40) for r in requests))
    return {table for table, scans in money.rows(counted) if scans > before.get(table, 0)}


@pytest.mark.parametrize("size", [1, 30], ids=["alone", "in a batch"])
def test_the_hot_path_reads_no_table_from_end_to_end(crowd: Database, size: int) -> None:
    process = crowd.register()
    accounts = [crowd.account(1_000) for _ in range(size)]
    keys = [crowd.key(account, rpm=100) for account in accounts]
    warm = [costing(a, 1, k) for a, k in zip(accounts, keys, strict=True)]
    crowd.admit(process, *warm)  # makes the limiters, for which the holds are counted once
    ids: list[UUID] = [r.id for r in warm]
    crowd.settle(*(Ending(i, a, k) for i, a, k in zip(ids, accounts, keys, strict=True)))
    assert scans_during(crowd, process, [costing(a, 30, k) for a, k in zip(accounts, keys, strict=True)]) == set()
