"""Admission and settlement as database functions, called over psycopg, in a database whose clock the tests set.

The functions read `clock_timestamp()`. Sessions of these tests look for functions in the schema `test_clock` first, and the one
there answers what the setting `test.now` says (the real time while it is empty). Likewise the server's start, `test.started`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

from apps.billing.models import Book, PoolKind, TransactionKind
from apps.core.ids import uuid7
from apps.usage.models import Status

LEASE_S = 15.0
USD = 10**9
ADMITTED, KEY_REFUSED, KEY_EXPIRED, SUSPENDED, REQUESTS, TOKENS, CONCURRENCY, CREDIT, BUSY, FENCED, WRONG_SCOPE, SPENT_DAY, SPENT_MONTH = (
    range(13)
)
SETTLED, SETTLED_BEFORE, CHARGED_DIRECTLY, RELEASED = range(4)

CLOCK = """
CREATE SCHEMA test_clock;
CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
  $$ SELECT coalesce(nullif(current_setting('test.now', true), '')::timestamptz, pg_catalog.clock_timestamp()) $$;
CREATE FUNCTION test_clock.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql AS
  $$ SELECT coalesce(nullif(current_setting('test.started', true), '')::timestamptz, '-infinity') $$;
"""
# The settings of the gateway's own connections, and the clock.
OPTIONS = "-c search_path=test_clock,public,pg_catalog -c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off"


@dataclass
class Request:
    """An item of an admission. The defaults cost nothing and reserve nothing."""

    account: int
    key: int | None = None
    base_pico: int = 0
    output_pico: int = 0
    output_wanted: int = 0
    output_least: int = 0
    tpm_tokens: int = 0
    price: int = 1
    id: UUID = field(default_factory=uuid7)


@dataclass
class Ending:
    """An item of a settlement. `cost` in nano-USD."""

    id: UUID
    account: int
    key: int | None = None
    cost: int = 0
    tpm_tokens: int = 0
    logged: bool = True
    status: int = Status.COMPLETED
    price: int = 1
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Decision(NamedTuple):
    code: int
    output_granted: int
    available: int
    rpm: int | None
    rpm_left: int | None
    tpm: int | None
    tpm_left: int | None
    max_concurrent: int | None
    resets_at: int
    retry_after: int


class Outcome(NamedTuple):
    code: int
    charged: int


class Checkpoint(NamedTuple):
    """What an open request would cost (nano-USD) if it ended now."""

    id: UUID
    cost: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    backend: int | None = None


def costing(account: int, nano: int, key: int | None = None, **more: Any) -> Request:
    """A request whose hold is exactly `nano` nano-USD."""
    return Request(account, key, base_pico=nano * 1000, **more)


class Database:
    """One session. Everything is committed at once, except inside `with database.connection.transaction()`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True, options=OPTIONS, row_factory=namedtuple_row)

    def close(self) -> None:
        self.connection.close()

    def another(self) -> Database:
        """A second session of the same database, with its clock where this one's is."""
        other = Database(self.url)
        other.set_clock(self.rows("SELECT current_setting('test.now', true)")[0][0] or "")
        return other

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self.connection.execute(query, values).fetchall()

    def run(self, query: str, values: Sequence[Any] = ()) -> int:
        return self.connection.execute(query, values).rowcount

    # --- The clock

    def set_clock(self, now: datetime | str) -> None:
        """Stops this session's clock at a moment; an empty text lets it run with the server's."""
        self.connection.execute("SELECT set_config('test.now', %s, false)", (str(now),))

    def set_server_start(self, moment: datetime) -> None:
        self.connection.execute("SELECT set_config('test.started', %s, false)", (str(moment),))

    def now(self) -> datetime:
        return self.rows("SELECT clock_timestamp()")[0][0]

    # --- Makers

    def account(self, *nano: int, status: int = 1) -> int:
        """A new account, with one purchased pool for each amount."""
        account = self.rows(
            "INSERT INTO accounts_account (name, status, time_zone, created_at) VALUES ('test', %s, 'UTC', clock_timestamp()) RETURNING id",
            (status,),
        )[0].id
        for amount in nano:
            self.pool(account, amount)
        return account

    def pool(self, account: int, nano: int, kind: int = PoolKind.PURCHASED, expires_at: datetime | None = None) -> int:
        """A new pool of `nano` nano-USD with its ledger transaction: a grant, whatever its kind, since no payment stands behind it."""
        with self.connection.transaction():
            self.run("SELECT FROM accounts_account WHERE id = %s FOR NO KEY UPDATE", (account,))
            pool = self.rows(
                """INSERT INTO billing_creditpool (account_id, kind, expires_at, granted, remaining, held, created_at)
                   VALUES (%s, %s, %s, %s, %s, 0, clock_timestamp()) RETURNING id""",
                (account, kind, expires_at, nano, nano),
            )[0].id
            self.book(account, TransactionKind.GRANT, (Book.POOL, pool, nano), (Book.PROMOTIONS, None, -nano))
        return pool

    def book(self, account: int, kind: int, *lines: tuple[int, int | None, int]) -> int:
        """A ledger transaction of (book, pool, nano-USD) lines, inserted in one statement. Changes no pool."""
        transaction = self.rows(
            "INSERT INTO billing_ledgertransaction (account_id, kind, reference, created_at) VALUES (%s, %s, %s, clock_timestamp()) RETURNING id",
            (account, kind, f"test:{secrets.token_hex(12)}"),
        )[0].id
        self.run(
            """INSERT INTO billing_posting (transaction_id, account_id, book, pool_id, amount)
               SELECT %s, %s, x.* FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) x""",
            (transaction, account, *(list(column) for column in zip(*lines, strict=True))),
        )
        return transaction

    def key(
        self,
        account: int,
        rpm: int | None = None,
        tpm: int | None = None,
        max_concurrent: int | None = None,
        expires_at: datetime | None = None,
        scope: int = 1,
        spend_limit_day: int | None = None,
        spend_limit_month: int | None = None,
    ) -> int:
        return self.rows(
            """INSERT INTO api_keys_apikey (account_id, name, digest, last4, scope, rpm, tpm, max_concurrent, expires_at, spend_limit_day, spend_limit_month, created_at)
               VALUES (%s, 'test', %s, 'test', %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) RETURNING id""",
            (account, secrets.token_bytes(32), scope, rpm, tpm, max_concurrent, expires_at, spend_limit_day, spend_limit_month),
        )[0].id

    # --- The functions

    def register(self, lease_s: float = LEASE_S) -> int:
        return self.rows("SELECT gateway_register('test', %s::float8) AS id", (lease_s,))[0].id

    def witness(self) -> int:
        """A process that has held its lease for ever and keeps it: others may be fenced."""
        process = self.register()
        self.run("UPDATE gateway_process SET lease_since = '-infinity', lease_until = 'infinity' WHERE id = %s", (process,))
        return process

    def admit(self, process: int, *requests: Request, skip_locked: bool = True) -> list[Decision]:
        """One call of `gateway_admit`; the decisions in the order of the requests."""
        r = requests
        rows = self.rows(
            """SELECT item, code, output_granted, available, rpm, rpm_left, tpm, tpm_left, max_concurrent, resets_at, retry_after FROM gateway_admit(
                 process => %s::bigint, ids => %s::uuid[], accounts => %s::bigint[], keys => %s::bigint[], base_pico => %s::bigint[],
                 output_pico => %s::bigint[], output_wanted => %s::int[], output_least => %s::int[], tpm_tokens => %s::bigint[],
                 models => %s::bigint[], prices => %s::bigint[], dialects => %s::smallint[], streamed => %s::boolean[], skip_locked => %s::boolean)""",
            (
                process, [i.id for i in r], [i.account for i in r], [i.key for i in r], [i.base_pico for i in r], [i.output_pico for i in r],
                [i.output_wanted for i in r], [i.output_least for i in r], [i.tpm_tokens for i in r], [1] * len(r), [i.price for i in r], [1] * len(r),
                [True] * len(r), skip_locked,
            ),
        )  # fmt: skip
        assert sorted(row.item for row in rows) == list(range(1, len(r) + 1))
        return [Decision(*row[1:]) for row in sorted(rows)]

    def settle(self, *endings: Ending, skip_locked: bool = True) -> list[Outcome]:
        """One call of `gateway_settle`; the outcomes in the order of the endings."""
        e = endings
        n = len(e)
        rows = self.rows(
            """SELECT item, code, charged FROM gateway_settle(
                 ids => %s::uuid[], accounts => %s::bigint[], keys => %s::bigint[], logged => %s::boolean[], costs => %s::bigint[],
                 tpm_tokens => %s::bigint[], models => %s::bigint[], prices => %s::bigint[], backends => %s::bigint[], dialects => %s::smallint[],
                 streamed => %s::boolean[], statuses => %s::smallint[], http_statuses => %s::smallint[], finish_reasons => %s::text[],
                 error_codes => %s::text[], prompt_tokens => %s::int[], cached_tokens => %s::int[], completion_tokens => %s::int[],
                 reasoning_tokens => %s::int[], estimated => %s::boolean[], queue_ms => %s::int[], first_token_ms => %s::int[], total_ms => %s::int[],
                 skip_locked => %s::boolean)""",
            (
                [i.id for i in e], [i.account for i in e], [i.key for i in e], [i.logged for i in e], [i.cost for i in e], [i.tpm_tokens for i in e],
                [1] * n, [i.price for i in e], [1] * n, [1] * n, [True] * n, [i.status for i in e], [200] * n, ["stop"] * n, [""] * n,
                [i.prompt_tokens for i in e], [i.cached_tokens for i in e], [i.completion_tokens for i in e], [0] * n, [False] * n, [0] * n, [None] * n, [0] * n,
                skip_locked,
            ),
        )  # fmt: skip
        assert [row.item for row in rows] == list(range(1, n + 1))
        return [Outcome(*row[1:]) for row in rows]

    def renew(self, process: int, *checkpoints: Checkpoint, lease_s: float = LEASE_S) -> set[UUID] | None:
        """The ids whose hold is gone; None when the process is fenced."""
        c = checkpoints
        gone = self.rows(
            "SELECT gateway_renew(%s::bigint, %s::float8, %s::uuid[], %s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS ids",
            (
                process,
                lease_s,
                [i.id for i in c],
                [i.backend for i in c],
                [i.cost for i in c],
                [i.prompt_tokens for i in c],
                [i.completion_tokens for i in c],
            ),
        )[0].ids
        return None if gone is None else set(gone)

    def reap(self, lease_s: float = LEASE_S, most: int = 1000) -> int:
        return self.rows("SELECT gateway_reap(%s::float8, %s) AS n", (lease_s, most))[0].n

    def be_alone(self) -> None:
        """Ends what other tests have left open: their processes would be witnesses of this test's, and the reaper would find their holds."""
        self.run("UPDATE gateway_process SET fenced = true")
        while self.reap():
            pass

    # --- What is there

    def pools(self, account: int) -> list[tuple[int, int]]:
        """(remaining, held) of the account's pools, oldest first."""
        return [
            tuple(row) for row in self.rows("SELECT remaining, held FROM billing_creditpool WHERE account_id = %s ORDER BY id", (account,))
        ]

    def holds(self, account: int) -> dict[UUID, Any]:
        return {row.id: row for row in self.rows("SELECT * FROM gateway_hold WHERE account_id = %s ORDER BY id", (account,))}

    def limiter(self, key: int) -> Any:
        """The key's row of api_keys_limiter, or None."""
        return next(iter(self.rows("SELECT * FROM api_keys_limiter WHERE key_id = %s", (key,))), None)

    def inference(self, identifier: UUID) -> Any:
        """The row of the inference log, or None."""
        return next(iter(self.rows("SELECT * FROM usage_inference WHERE id = %s", (identifier,))), None)

    def written_off(self, account: int) -> int:
        return int(self.rows("SELECT coalesce(sum(amount), 0) AS n FROM billing_writeoff WHERE account_id = %s", (account,))[0].n)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]
