"""Promise: log, sums and ledger are one to the nano-dollar: under traffic from several sessions, folds, repeated folds and rebuilds at the
same time, and after months of the log are dropped. `check_ledger` says so, and says when it is not so."""

from __future__ import annotations

import random
import threading
from datetime import date
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from apps.core.ids import uuid7_floor
from apps.gateway.ledger_check import INVARIANTS, violations
from apps.gateway.settlement import SETTLED_BEFORE
from apps.usage.figures import total
from apps.usage.models import Status
from apps.usage.ranges import month_of
from apps.usage.rollups import drop_month, drop_old_months, fold, refold, refold_all
from tests.gateway.database import Database, Ending, costing, utc
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.gateway.fixtures"]

ZONE = ZoneInfo("UTC")


def spend_at_random(money: Database, accounts: list[int], keys: list[int], rounds: int, seed: int) -> None:
    """Batches of admissions and settlements, some written off, some failed, some sent twice."""
    chance = random.Random(seed)
    session = money.another()
    process = session.register()
    for _ in range(rounds):
        items = []
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(accounts))
            items.append(costing(accounts[place], chance.randrange(3_000), keys[place]))
        admitted = [i for i, decision in zip(items, session.admit(process, *items, skip_locked=False), strict=True) if decision.code == 0]
        endings = [
            Ending(
                i.id,
                i.account,
                i.key,
                cost=chance.randrange(5_000),
                status=chance.choice(list(Status)[:3]),
                prompt_tokens=9,
                completion_tokens=4,
            )
            for i in admitted
        ]
        for _ in range(chance.randrange(1, 3)):
            if endings:
                session.settle(*endings, skip_locked=False)
    session.close()


def test_log_sums_and_ledger_are_one_under_traffic(money: Database) -> None:
    accounts = [money.account(2_000_000) for _ in range(4)]
    keys = [money.key(account) for account in accounts]
    threads = [threading.Thread(target=spend_at_random, args=(money, accounts, keys, 40, seed)) for seed in range(3)]
    for thread in threads:
        thread.start()
    today = money.now().date()
    while any(thread.is_alive() for thread in threads):
        fold()
        refold(today)
        assert violations() == []
    for thread in threads:
        thread.join()
    begun = money.now()
    wait_for(lambda: fold() or money.rows("SELECT settled_until FROM usage_rollupmark")[0][0] >= begun, 20, "everything is folded")
    assert violations() == []
    for account in accounts:
        spent = 2_000_000 - sum(remaining for remaining, _ in money.pools(account))
        sums = total(account, month_of(money.now(), ZONE))
        assert sums.charged == spent > 0
        assert sums.cost - sums.charged == money.written_off(account)
    before = money.rows("SELECT * FROM usage_rollup ORDER BY 1, 2, 3, 4, 5, 6, 7")
    assert [requests for _, requests in refold_all()][-1] > 0
    call_command("rebuild_rollups", first_day=today)
    assert money.rows("SELECT * FROM usage_rollup ORDER BY 1, 2, 3, 4, 5, 6, 7") == before
    money.run("UPDATE usage_rollup SET charged = charged + 1 WHERE account_id = %s AND grain = 60", (accounts[0],))
    assert [found.detail.split(" have")[0] for found in violations()] == [f"account {accounts[0]}: cells of 60 minutes"]
    list(refold_all())
    assert violations() == []


def test_a_dropped_month_is_counted_for_ever(money: Database) -> None:
    """In a transaction that is never committed: the tables of months are everybody's."""
    account = money.account(1_000)
    with money.connection.transaction() as everything:
        rows, run = money.rows, money.run
        for month in (utc(2031, 1, 1), utc(2031, 2, 1)):
            money.set_clock(month)
            rows("SELECT usage_make_partitions(1)")
        money.set_clock(utc(2031, 2, 1, 0, 0, 5))  # its last request ended in February, in a batch with one that came in February
        late, written_off, kept = uuid7_floor(utc(2031, 1, 31, 23, 59)), uuid7_floor(utc(2031, 1, 9)), uuid7_floor(utc(2031, 2, 1, 0, 0, 1))
        money.settle(Ending(late, account, cost=300, prompt_tokens=7), Ending(kept, account, cost=100))
        money.set_clock(utc(2031, 2, 3))
        money.settle(Ending(written_off, account, cost=900))
        drop = "SELECT usage_drop_month(%s) AS done"
        assert not rows(drop, (date(2031, 1, 1),))[0].done  # not folded yet
        run("UPDATE usage_rollupmark SET settled_until = '2031-02-02'")
        assert not rows(drop, (date(2031, 1, 1),))[0].done  # not all of it
        run("UPDATE usage_rollupmark SET settled_until = '-infinity'")
        rows("SELECT usage_fold_range('-infinity', '2031-02-04')")
        run("UPDATE usage_rollupmark SET settled_until = '2031-02-04'")
        assert not rows(drop, (date(2031, 1, 1),))[0].done  # not in the platform's sums
        run("UPDATE usage_platformmark SET settled_until = '2031-02-04'")
        assert not rows(drop, (date(2031, 2, 1),))[0].done  # not over
        assert rows(drop, (date(2031, 1, 1),))[0].done
        assert not rows(drop, (date(2031, 1, 1),))[0].done
        assert money.inference(late) is None
        assert money.inference(kept).charged == 100
        [month] = rows("SELECT month, requests, prompt_tokens, cost, charged FROM usage_foldedmonth WHERE account_id = %s", (account,))
        assert month == (date(2031, 1, 1), 2, 7, 1200, 900)
        assert [row for _, query in INVARIANTS.values() for row in money.connection.execute(query)] == []
        [again] = money.settle(Ending(late, account, cost=300, prompt_tokens=7))  # an old file of the journal that is replayed
        assert (again.code, money.inference(late)) == (SETTLED_BEFORE, None)
        assert [row for _, query in INVARIANTS.values() for row in money.connection.execute(query)] == []
        with pytest.raises(psycopg.errors.RaiseException, match="not complete"), money.connection.transaction():
            rows("SELECT usage_refold('2031-02-01')")
        run("UPDATE usage_foldedmonth SET charged = charged - 1, cost = cost - 1 WHERE account_id = %s", (account,))
        assert len(money.connection.execute(INVARIANTS["I6"][1]).fetchall()) == 6  # against the ledger, and the cells of each size
        money.set_clock("")
        raise psycopg.Rollback(everything)


def test_nothing_is_dropped_unless_the_operator_says_so(money: Database) -> None:
    assert settings.LOG_RETENTION_MONTHS == 0
    assert drop_old_months() == []
    month = date(2025, 1, 1)
    name = "usage_inference_2025_01"
    money.run(
        f"CREATE TABLE public.{name} PARTITION OF usage_inference FOR VALUES FROM ('{uuid7_floor(utc(2025, 1, 1))}') TO ('{uuid7_floor(utc(2025, 2, 1))}')"
    )
    with override_settings(LOG_RETENTION_MONTHS=13):
        wait_for(lambda: drop_old_months() == [month], 10, "the month is dropped")
        assert drop_old_months() == []
    assert money.rows("SELECT to_regclass(%s) AS name", (name,))[0].name is None
    assert not drop_month(month)
