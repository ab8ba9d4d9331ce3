"""Whatever happens to accounts, keys, pools and processes, in whatever order: Postgres does what the model says, and the books balance.

`LEDGER_EXAMPLES=2000 pytest tests/gateway/test_ledger_state_machine.py` explores at random and shrinks what it finds; without it the
same examples run each time.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.billing.expiry import expire_credit
from apps.billing.models import PoolKind
from apps.core.ids import uuid7
from apps.gateway.ledger_check import violations
from tests.gateway.database import LEASE_S, Checkpoint, Database, Ending, Request, utc
from tests.gateway.model import Key, Model, Pool, Process

pytest_plugins = ["tests.gateway.fixtures"]

EXAMPLES = os.environ.get("LEDGER_EXAMPLES")

MOMENTS = [utc(2028, 2, 28, 23, 59, 50), utc(2027, 3, 28, 0, 59, 58), utc(2026, 12, 31, 23, 59, 59), utc(2026, 10, 25, 0, 59, 30)]
STEPS_S = [0.3, 1, 1, 7, 14, 16, 30, 60, 61, 3700, -2, -30, -7300]
EXPIRIES = st.sampled_from([None, None, timedelta(seconds=5), timedelta(seconds=40), timedelta(days=1)])
LIMITS = st.tuples(st.sampled_from([None, 1, 3]), st.sampled_from([None, 50, 200]), st.sampled_from([None, 1, 2]))
PICK = st.integers(0, 1000)
# (whose, base_pico, output_pico, output_wanted, must have it all, tokens)
REQUESTS = st.lists(
    st.tuples(
        PICK,
        st.sampled_from([0, 1, 999, 40_000, 400_001]),
        st.sampled_from([0, 1, 333, 5_000]),
        st.integers(0, 100),
        st.booleans(),
        st.sampled_from([0, 10, 60, 500]),
    ),
    min_size=1,
    max_size=6,
)
# (which request, how its cost compares to its hold, tokens, logged)
ENDINGS = st.lists(
    st.tuples(
        PICK,
        st.sampled_from(["zero", "half", "equal", "above", "far above"]),
        st.sampled_from([0, 5, 70]),
        st.sampled_from([True, True, False]),
    ),
    min_size=1,
    max_size=6,
)


def cost_of(comparison: str, held: int) -> int:
    return {"zero": 0, "half": held // 2, "equal": held, "above": held + 1, "far above": held + 3_000}[comparison]


def paid_of(row: Any) -> dict[int, int]:
    """What each pool paid; a hold that grew may name a pool twice."""
    paid = Counter[int]()
    for pool, amount in zip(row.paid_pools, row.paid_amounts, strict=True):
        paid[pool] += amount
    return dict(paid)


class Ledger(RuleBasedStateMachine):
    database: ClassVar[Database]

    @initialize(
        start=st.sampled_from(MOMENTS), zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]), limits=st.tuples(LIMITS, LIMITS)
    )
    def begin(self, start: Any, zone: str, limits: Any) -> None:
        self.model = Model(start)
        self.seen: list[Request] = []
        self.revoked: list[tuple[int, int | None]] = []
        self.database.connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
        self.database.set_server_start(self.model.started)
        self.set_clock()
        self.database.be_alone()
        self.accounts = [self.database.account() for _ in range(2)]
        self.model.suspended = dict.fromkeys(self.accounts, False)
        for account, amount in zip(self.accounts, (700, 1500), strict=True):
            self.add_pool(account, PoolKind.PURCHASED, amount, None)
        self.keys = [
            self.add_key(self.accounts[0], *limits[0]),
            self.add_key(self.accounts[0], None, None, None),
            self.add_key(self.accounts[1], *limits[1]),
        ]
        self.processes = [self.add_process() for _ in range(2)]

    # --- Both sides of the small things

    def set_clock(self) -> None:
        self.database.set_clock(self.model.now)

    def add_pool(self, account: int, kind: int, amount: int, lasts: timedelta | None) -> None:
        expires_at = self.model.now + lasts if lasts else None
        pool = self.database.pool(account, amount, kind, expires_at)
        self.model.pools[pool] = Pool(pool, account, kind, expires_at, amount, self.model.now)

    def add_key(self, account: int, rpm: int | None, tpm: int | None, max_concurrent: int | None) -> int:
        key = self.database.key(account, rpm, tpm, max_concurrent)
        self.model.keys[key] = Key(key, account, rpm, tpm, max_concurrent)
        return key

    def add_process(self) -> int:
        process = self.database.register()
        self.model.processes[process] = Process(self.model.now, self.model.now + timedelta(seconds=LEASE_S))
        return process

    def whose(self, pick: int) -> tuple[int, int | None]:
        """An account with one of its keys; seldom with none (the Playground), with somebody else's or with one that was revoked."""
        own: list[tuple[int, int | None]] = [(self.model.keys[k].account, k) for k in self.keys]
        odd = [*((account, None) for account in self.accounts), (self.accounts[1], self.keys[0]), *self.revoked]
        return odd[pick % len(odd)] if pick % 5 == 0 else own[pick % len(own)]

    # --- Traffic

    @rule(process=PICK, drawn=REQUESTS, again=st.none() | PICK)
    def admit(self, process: int, drawn: Any, again: int | None) -> None:
        batch = []
        for pick, base, output, wanted, all_of_it, tokens in drawn:
            account, key = self.whose(pick)
            batch.append(Request(account, key, base, output, wanted, wanted if all_of_it else min(1, wanted), tokens))
        self.seen += batch
        if again is not None and (request := self.seen[again % len(self.seen)]) not in batch and request.id in self.model.holds:
            batch.append(request)
        owner = self.processes[process % 2]
        decisions = self.database.admit(owner, *batch)
        assert [(d.code, d.output_granted) for d in decisions] == self.model.admit(owner, batch)

    @rule(drawn=ENDINGS, unknown=st.none() | st.sampled_from(["zero", "above", "far above"]))
    def settle(self, drawn: Any, unknown: str | None) -> None:
        batch = []
        for pick, comparison, tokens, logged in drawn if self.seen else []:
            request = self.pick_request(pick)
            hold = self.model.holds.get(request.id)
            if hold is not None or request.id in self.model.log:
                batch.append(
                    Ending(request.id, request.account, request.key, cost_of(comparison, hold.amount if hold else 10), tokens, logged)
                )
        if unknown:
            batch.append(Ending(uuid7(), self.accounts[0], self.keys[0], cost_of(unknown, 20), 9))
        if batch:
            assert self.database.settle(*batch) == self.model.settle(batch)

    def pick_request(self, pick: int) -> Request:
        """Mostly an open one, sometimes one that has ended or was refused."""
        opened = [r for r in self.seen if r.id in self.model.holds]
        among = opened if opened and pick % 4 else self.seen
        return among[pick % len(among)]

    @rule(process=PICK, picks=st.lists(st.tuples(PICK, st.sampled_from(["zero", "half", "equal"]), st.integers(0, 30)), max_size=5))
    def renew(self, process: int, picks: Any) -> None:
        owner = self.processes[process % 2]
        checkpoints: dict[UUID, Checkpoint] = {}
        for pick, comparison, tokens in picks if self.seen else []:
            request = self.pick_request(pick)
            hold = self.model.holds.get(request.id)
            if hold is None or hold.process == owner:
                checkpoints[request.id] = Checkpoint(request.id, cost_of(comparison, hold.amount if hold else 0), tokens, tokens)
        gone = self.database.renew(owner, *checkpoints.values())
        assert gone == self.model.renew(owner, list(checkpoints.values()), LEASE_S)
        if gone is None:
            self.processes[process % 2] = self.add_process()

    @rule()
    def reap(self) -> None:
        assert self.database.reap() == self.model.reap(LEASE_S)

    @rule(process=PICK, drawn=REQUESTS, comparison=st.sampled_from(["half", "equal"]))
    def crash(self, process: int, drawn: Any, comparison: str) -> None:
        """A process dies with open requests and the other lives on; the reaper looks a moment before the lease is out, and after."""
        self.admit(process, drawn, None)
        opened = [h for h in self.model.holds.values() if h.process == self.processes[process % 2]]
        checkpoints = [Checkpoint(h.id, cost_of(comparison, h.amount), 3, 4) for h in opened]
        self.database.renew(self.processes[process % 2], *checkpoints)
        self.model.renew(self.processes[process % 2], checkpoints, LEASE_S)
        for _ in range(2):
            self.pass_time(7)
            self.renew(process + 1, [])
        self.reap()
        self.pass_time(1.5)
        self.reap()

    # --- Time and people

    @rule(step=st.sampled_from(STEPS_S))
    def pass_time(self, step: float) -> None:
        self.model.now += timedelta(seconds=step)
        self.set_clock()

    @rule(process=PICK)
    def two_hours_pass(self, process: int) -> None:
        self.pass_time(7_201)
        self.renew(process, [])
        self.reap()

    @rule()
    def restart_the_server(self) -> None:
        self.model.started = self.model.now
        self.database.set_server_start(self.model.now)

    @rule(account=PICK, kind=st.sampled_from(list(PoolKind)), amount=st.sampled_from([1, 90, 1000]), lasts=EXPIRIES)
    def grant(self, account: int, kind: int, amount: int, lasts: timedelta | None) -> None:
        self.add_pool(self.accounts[account % 2], kind, amount, lasts)

    @rule()
    def expire(self) -> None:
        expire_credit(self.model.now)
        self.model.expire()

    @rule(key=PICK, limits=LIMITS)
    def edit_key(self, key: int, limits: Any) -> None:
        row = self.model.keys[self.keys[key % 3]]
        row.rpm, row.tpm, row.max_concurrent = limits
        self.database.run("UPDATE api_keys_apikey SET rpm = %s, tpm = %s, max_concurrent = %s WHERE id = %s", (*limits, row.id))

    @rule(key=PICK, lasts=EXPIRIES)
    def set_key_expiry(self, key: int, lasts: timedelta | None) -> None:
        row = self.model.keys[self.keys[key % 3]]
        row.expires_at = self.model.now + lasts if lasts else None
        self.database.run("UPDATE api_keys_apikey SET expires_at = %s WHERE id = %s", (row.expires_at, row.id))

    @rule(key=PICK)
    def replace_key(self, key: int) -> None:
        old = self.model.keys[self.keys[key % 3]]
        old.revoked = True
        self.database.run("UPDATE api_keys_apikey SET revoked_at = clock_timestamp() WHERE id = %s", (old.id,))
        self.revoked.append((old.account, old.id))
        self.keys[key % 3] = self.add_key(old.account, old.rpm, old.tpm, old.max_concurrent)

    @rule(account=PICK, suspended=st.sampled_from([False, False, True]))
    def suspend(self, account: int, suspended: bool) -> None:
        self.model.suspended[self.accounts[account % 2]] = suspended
        self.database.run("UPDATE accounts_account SET status = %s WHERE id = %s", (2 if suspended else 1, self.accounts[account % 2]))

    @rule()
    def lose_the_limiters(self) -> None:
        """What a crash does to an UNLOGGED table; recovery takes a while."""
        self.database.run("DELETE FROM api_keys_limiter WHERE key_id = ANY (%s)", (list(self.model.keys),))
        self.model.windows.clear()
        self.pass_time(61)
        self.admit(0, [(1 + n, 1, 0, 0, False, 10) for n in range(3)], None)

    # --- The comparison

    @invariant()
    def postgres_agrees_with_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        m, d = self.model, self.database
        pools = d.rows("SELECT id, remaining, held FROM billing_creditpool WHERE account_id = ANY (%s)", (self.accounts,))
        assert {p.id: (p.remaining, p.held) for p in pools} == {p.id: (p.remaining, p.held) for p in m.pools.values()}
        holds = d.rows("SELECT id, amount, pools, pool_amounts, process_id FROM gateway_hold WHERE account_id = ANY (%s)", (self.accounts,))
        assert {h.id: (h.amount, list(zip(h.pools, h.pool_amounts, strict=True)), h.process_id) for h in holds} == {
            h.id: (h.amount, h.parts, h.process) for h in m.holds.values()
        }
        limiters = d.rows("SELECT * FROM api_keys_limiter WHERE key_id = ANY (%s)", (list(m.keys),))
        assert {r.key_id: (r.requests_in_window, r.tokens_in_window, r.open) for r in limiters} == {
            k: (w.requests.total(), w.tokens.total(), m.open_of(k)) for k, w in m.windows.items()
        }
        assert all((sum(r.requests), sum(r.tokens)) == (r.requests_in_window, r.tokens_in_window) for r in limiters)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        left = [Ending(h.id, h.account, h.key, logged=False) for h in self.model.holds.values()]
        self.database.settle(*left)
        self.model.settle(left)
        self.postgres_agrees_with_the_model()
        log = self.database.rows("SELECT * FROM usage_inference WHERE account_id = ANY (%s)", (self.accounts,))
        assert {r.id: (r.cost, r.charged, r.status, paid_of(r)) for r in log} == {
            i: (e.cost, e.charged, e.status, e.paid) for i, e in self.model.log.items()
        }
        assert violations() == []


@pytest.mark.timeout(3600 if EXAMPLES else 300)
def test_every_history_of_the_ledger_goes_as_the_model_says(money: Database) -> None:
    Ledger.database = money
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=int(EXAMPLES or 100),
            stateful_step_count=40,
            deadline=None,
            derandomize=EXAMPLES is None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
