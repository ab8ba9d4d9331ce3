"""Promise: what usage pages show is what the log says, to the nano-dollar: in any zone and bucket, folded, half folded or folded again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest

from apps.usage.figures import (
    Filters,
    Group,
    Sums,
    durations,
    durations_together,
    forecast,
    percentile,
    series,
    together,
    total,
    totals,
)
from apps.usage.ranges import Bucket, Range, day_of, last_days, month_of
from apps.usage.rollups import fold, refold
from tests.gateway.database import Database, utc

pytest_plugins = ["tests.gateway.fixtures"]

INSERT = """
INSERT INTO usage_inference (id, account_id, api_key_id, model_id, price_id, dialect, streamed, status, http_status, finish_reason, error_code,
  prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, cost, charged, paid_pools, paid_amounts, admitted_at, settled_at,
  queue_ms, first_token_ms, total_ms)
SELECT gen_random_uuid(), %s, nullif(k, 0), m, 1, d, true, s, 200, 'made up', '', p, p / 2, c, c / 3, false, 0, 0, '{}', '{}', t - interval '1 second', t, 1,
  nullif(f, 0), f + 100
FROM unnest(%s::timestamptz[], %s::bigint[], %s::bigint[], %s::smallint[], %s::smallint[], %s::int[], %s::int[], %s::int[]) x (t, k, m, d, s, p, c, f)
"""
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def log(money: Database) -> Iterator[Database]:
    """Rows that a test makes up leave with it: others would fold them again."""
    yield money
    money.run("DELETE FROM usage_inference WHERE finish_reason = 'made up'")
    money.run("TRUNCATE usage_rollup")
    money.run("UPDATE usage_rollupmark SET settled_until = '-infinity'")


def traffic(money: Database, account: int, since: datetime, hours: int, count: int, seed: int = 1) -> None:
    """Requests of three keys (and none), two models, all ends; nobody is charged, so that the books stay sound."""
    chance = random.Random(seed)
    rows = [
        (
            since + timedelta(seconds=chance.randrange(hours * 3600), microseconds=chance.randrange(10**6)),
            chance.choice([0, 1, 2, 3]), chance.choice([7, 8]), chance.choice([1, 2, 3]), chance.choices([1, 2, 3, 4], [90, 4, 4, 2])[0],
            chance.randrange(5_000), chance.randrange(900), chance.choice([0, 50, 90, 4_000]),
        )
        for _ in range(count)
    ]  # fmt: skip
    money.run(INSERT, (account, *(list(column) for column in zip(*rows, strict=True))))


def by_hand(money: Database, account: int, since: datetime, until: datetime, condition: str = "true") -> Sums:
    [row] = money.rows(
        f"""SELECT count(*) AS a, count(*) FILTER (WHERE status IN (3, 4)) AS b, coalesce(sum(prompt_tokens), 0) AS c,
              coalesce(sum(cached_tokens), 0) AS d, coalesce(sum(completion_tokens), 0) AS e, coalesce(sum(reasoning_tokens), 0) AS f,
              coalesce(sum(cost), 0)::bigint AS g, coalesce(sum(charged), 0)::bigint AS h
            FROM usage_inference WHERE account_id = %s AND settled_at >= %s AND settled_at < %s AND {condition}""",
        (account, since, until),
    )
    return Sums(*row)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_every_bucket_is_what_the_log_says_before_and_after_folding(log: Database, zone: str) -> None:
    """Over the end of a month and of daylight saving time."""
    account, where = log.account(), ZoneInfo(zone)
    traffic(log, account, utc(2025, 10, 25), 24 * 10, 4_000)
    span = Range(utc(2025, 10, 26, 3, 15), utc(2025, 11, 4, 1, 45), where)

    def check() -> None:
        for bucket in (Bucket.HOUR, Bucket.DAY, Bucket.WEEK, Bucket.MONTH):
            found = series(account, span, bucket)
            edges = span.edges(bucket)
            for number in range(len(edges) - 1) if bucket != Bucket.HOUR else (0, 5, 100):
                assert found.groups[0][number] == by_hand(log, account, edges[number], edges[number + 1])
            assert found.totals[0] == by_hand(log, account, span.start, span.end)

    check()  # nothing is folded
    fold(budget_s=0)  # a step
    log.run("UPDATE usage_rollupmark SET settled_until = settled_until")
    check()
    fold()
    [[mark]] = log.rows("SELECT settled_until FROM usage_rollupmark")
    assert mark > utc(2026, 1, 1)
    check()
    for day in (26, 31):
        assert (
            refold(utc(2025, 10, day).date()) == by_hand(log, account, utc(2025, 10, day), utc(2025, 10, day) + timedelta(days=1)).requests
        )
    check()


def test_groups_and_filters(log: Database) -> None:
    account, other = log.account(), log.account()
    traffic(log, account, utc(2025, 5, 1), 48, 1_000)
    traffic(log, other, utc(2025, 5, 1), 48, 100)
    fold()
    traffic(log, account, utc(2026, 5, 1), 2, 100)  # before the mark: late as no settlement can be, and seen by nobody
    span = Range(utc(2025, 5, 1), utc(2025, 5, 4), NEW_YORK)
    for group, column in (
        (Group.MODEL, "model_id"),
        (Group.KEY, "coalesce(api_key_id, 0)"),
        (Group.STATUS, "status"),
        (Group.DIALECT, "dialect"),
    ):
        found = totals(account, span, group)
        assert len(found) >= 2
        for value, sums in found.items():
            assert sums == by_hand(log, account, span.start, span.end, f"{column} = {value}")
    filters = Filters(models=[7], keys=[0, 2], statuses=[1, 3], dialects=[1, 2])
    condition = "model_id = 7 AND coalesce(api_key_id, 0) IN (0, 2) AND status IN (1, 3) AND dialect IN (1, 2)"
    assert total(account, span, filters) == by_hand(log, account, span.start, span.end, condition)
    assert total(account, span, filters).requests > 0
    assert totals(log.account(), span, Group.MODEL) == {}
    day = Range(utc(2025, 5, 2), utc(2025, 5, 3), ZoneInfo("UTC"))
    now, before = together(account, [(day, None), (day.before, None)])
    assert now.whole == by_hand(log, account, utc(2025, 5, 2), utc(2025, 5, 3))
    assert before.whole == by_hand(log, account, utc(2025, 5, 1), utc(2025, 5, 2))


@pytest.mark.parametrize("steps", ["none", "one", "many", "one, and again"])
def test_cells_of_all_keys_and_models_are_what_theirs_come_to(log: Database, steps: str) -> None:
    """Figures of the account as a whole come from cells of their own: they are those of its keys and models together."""
    account = log.account()
    traffic(log, account, utc(2025, 5, 1), 70, 1_500)
    if steps == "many":
        while log.rows("SELECT usage_fold(100) AS more")[0].more:
            pass
    elif steps != "none":
        fold()
    if steps == "one, and again":
        refold(date(2025, 5, 2))
    span = Range(utc(2025, 5, 1, 3, 15), utc(2025, 5, 3, 20, 45), NEW_YORK)
    models, keys = Filters(models=[7, 8]), Filters(keys=[0, 1, 2, 3])  # everything, but not from those cells
    for bucket in (Bucket.HOUR, Bucket.DAY):
        for group in (Group.NONE, Group.STATUS):
            assert series(account, span, bucket, group) == series(account, span, bucket, group, models)
            assert durations(account, span, bucket, group) == durations(account, span, bucket, group, keys)
    assert series(account, span, Bucket.DAY).whole == by_hand(log, account, span.start, span.end)
    only = Filters(statuses=[1, 3])
    assert total(account, span, only) == by_hand(log, account, span.start, span.end, "status IN (1, 3)")


def test_cells_of_all_that_a_migration_made_are_those_of_the_fold(log: Database) -> None:
    account = log.account()
    traffic(log, account, utc(2025, 5, 1), 70, 1_500)
    fold()
    of_all = "SELECT * FROM usage_rollup WHERE grain < 0 ORDER BY 1, 2, 3, 6"
    folded = log.rows(of_all)
    assert {row.grain for row in folded} == {-60, -1440}
    log.run("DELETE FROM usage_rollup WHERE grain < 0")
    for statement in import_module("apps.usage.migrations.0006_cells_of_all").SQL.rstrip().rstrip(";").split(";\n"):
        log.run(statement)
    assert log.rows(of_all) == folded


def test_several_series_in_one_question_are_those_of_each(log: Database) -> None:
    account = log.account()
    traffic(log, account, utc(2025, 5, 1), 70, 800)
    fold()
    traffic(log, account, datetime.now(UTC) - timedelta(minutes=1), 1, 50)  # not folded, and in several of the ranges
    recent = last_days(3, datetime.now(UTC) + timedelta(hours=2), NEW_YORK)
    asked = [
        (Range(utc(2025, 5, 1), utc(2025, 5, 4), NEW_YORK), Bucket.HOUR),
        (recent, Bucket.DAY),
        (Range(utc(2025, 5, 2), utc(2025, 5, 3), NEW_YORK), None),
        (recent, None),
    ]
    for group in (Group.NONE, Group.MODEL):
        found = together(account, asked, group)
        timed = durations_together(account, asked, group)
        for (of, bucket), sums, measured in zip(asked, found, timed, strict=True):
            if bucket:
                assert sums == series(account, of, bucket, group)
                assert measured == durations(account, of, bucket, group)
            else:
                assert sums.totals == totals(account, of, group)
                assert measured.whole == durations_together(account, [(of, None)])[0].whole
    assert found[1].whole.requests == found[3].whole.requests == 50


@pytest.mark.parametrize("folded", [False, True])
def test_percentiles_are_right_to_a_tenth(log: Database, folded: bool) -> None:
    account = log.account()
    traffic(log, account, utc(2025, 5, 1), 30, 3_000)
    if folded:
        fold()
    span = Range(utc(2025, 5, 1), utc(2025, 5, 3), ZoneInfo("UTC"))
    found = durations(account, span, Bucket.DAY, Group.MODEL)
    for model, whole in found.totals.items():
        for percent, got in whole.total.items():
            [[exact]] = log.rows(
                "SELECT percentile_disc(%s) WITHIN GROUP (ORDER BY total_ms) FROM usage_inference WHERE account_id = %s AND model_id = %s",
                (percent / 100, account, model),
            )
            assert abs(got - exact) <= 0.19 * exact
        assert set(whole.first_token) == {50, 90, 95, 99}
        assert len(found.groups[model]) == 2


def test_percentiles_of_a_histogram() -> None:
    assert percentile({}, 50) is None
    assert percentile({0: 5}, 99) == 1.0
    assert percentile({40: 100}, 100) == 1024
    assert 861 < (percentile({40: 100}, 1) or 0) < 1024


def test_the_forecast_goes_on_at_the_pace_of_the_last_week(log: Database) -> None:
    account, berlin = log.account(1_000_000_000), ZoneInfo("Europe/Berlin")
    now = utc(2025, 3, 16, 11)  # noon; the month has an hour less
    assert forecast(account, berlin, now).expected is None
    log.run(
        """INSERT INTO usage_rollup SELECT %s, g.grain, date_bin(g.width, t, '2000-01-01Z'), 0, 1, 1, 1, count(*), 0, 0, 0, 0, 3600 * count(*), 3600 * count(*), max(t), '{}'
           FROM generate_series(%s::timestamptz, %s, '1 hour') t, (VALUES (-1440, interval '1 day'), (-60, '1 hour'), (15, '15 minutes')) g (grain, width)
           GROUP BY 2, 3""",
        (account, utc(2025, 3, 11, 11), utc(2025, 3, 16, 10)),
    )
    seen = forecast(account, berlin, now)
    assert seen.so_far == 120 * 3600
    begun = day_of(utc(2025, 3, 11, 11), berlin).start  # its first day counts whole
    hours = (now - begun).total_seconds() / 3600
    left = (month_of(now, berlin).end - now).total_seconds() / 3600
    assert seen.expected is not None
    assert abs(seen.expected - (seen.so_far + seen.so_far * left / hours)) < 2
    assert seen.month.end == utc(2025, 3, 31, 22)
    log.run("DELETE FROM usage_rollup WHERE account_id = %s", (account,))


def test_the_last_days_are_whole_days_of_the_zone() -> None:
    now = datetime(2026, 11, 5, 3, tzinfo=UTC)
    assert last_days(7, now, NEW_YORK).start == utc(2026, 10, 29, 4)
