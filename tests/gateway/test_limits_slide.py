"""The minute of a key slides: no sixty seconds, wherever they start, hold more than the limit, and a refusal says when to come back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.database import ADMITTED, REQUESTS, TOKENS, Database, Ending, Request, utc

pytest_plugins = ["tests.gateway.fixtures"]

NOW = utc(2028, 2, 29, 23, 59, 50)


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def test_a_request_leaves_the_window_when_its_second_is_a_minute_past(money: Database) -> None:
    money.set_clock(NOW + seconds(0.999))
    account, process = money.account(10), money.register()
    key = money.key(account, rpm=1)
    assert money.admit(process, Request(account, key))[0].code == ADMITTED
    money.set_clock(NOW + seconds(60.999))  # sixty seconds later to the millisecond
    refused = money.admit(process, Request(account, key))[0]
    assert (refused.code, refused.retry_after) == (REQUESTS, 1)
    money.set_clock(NOW + seconds(61))
    assert money.admit(process, Request(account, key))[0].code == ADMITTED


def test_two_bursts_around_the_turn_of_a_minute_are_not_twice_the_limit(money: Database) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, rpm=3)
    admitted = 0
    for at in (NOW + seconds(9.5), NOW + seconds(10), NOW + seconds(10.5)):  # 23:59:59.5, midnight, and after
        money.set_clock(at)
        admitted += [d.code for d in money.admit(process, *(Request(account, key) for _ in range(3)))].count(ADMITTED)
    assert admitted == 3


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 5)), min_size=1, max_size=25))
def test_no_sixty_seconds_hold_more_than_the_limit_and_retry_after_is_the_first_moment_that_works(
    money_url: str, arrivals: list[tuple[int, int]]
) -> None:
    money = Database(money_url)
    try:
        now = NOW
        money.set_clock(now)
        account, process = money.account(10), money.register()
        key = money.key(account, rpm=4)
        admitted = []
        for pause_ms, count in arrivals:
            now += timedelta(milliseconds=pause_ms)
            money.set_clock(now)
            decisions = money.admit(process, *(Request(account, key) for _ in range(count)))
            admitted += [now for d in decisions if d.code == ADMITTED]
            if decisions[-1].code == REQUESTS:
                opens = now.replace(microsecond=0) + seconds(decisions[-1].retry_after)
                assert decisions[-1].resets_at == opens.timestamp()
                money.set_clock(opens - timedelta(milliseconds=1))
                assert money.admit(process, Request(account, key))[0].code == REQUESTS
                now = opens
                money.set_clock(now)
                assert money.admit(process, Request(account, key))[0].code == ADMITTED
                admitted.append(now)
        for start in admitted:
            assert sum(start <= moment < start + seconds(60) for moment in admitted) <= 4
    finally:
        money.close()


def test_retry_after_waits_for_as_many_tokens_as_the_request_needs(money: Database) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, tpm=100)
    for after, tokens in ((0, 30), (10, 30), (20, 40)):
        money.set_clock(NOW + seconds(after))
        assert money.admit(process, Request(account, key, tpm_tokens=tokens))[0].code == ADMITTED
    waits = [money.admit(process, Request(account, key, tpm_tokens=tokens))[0].retry_after for tokens in (1, 30, 31, 60, 61, 500)]
    assert waits == [41, 41, 51, 51, 61, 61]


def test_tokens_are_corrected_in_the_second_they_were_reserved_in(money: Database) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, tpm=100)
    money.set_clock(NOW)
    early = Request(account, key, tpm_tokens=50)
    money.admit(process, early)
    money.set_clock(NOW + seconds(30))
    late = Request(account, key, tpm_tokens=50)
    money.admit(process, late)
    money.settle(Ending(early.id, account, key, tpm_tokens=90))
    assert money.limiter(key).tokens_in_window == 140
    money.set_clock(NOW + seconds(61))  # the early one is gone with its correction
    decision = money.admit(process, Request(account, key, tpm_tokens=50))[0]
    assert (decision.code, decision.tpm_left) == (ADMITTED, 0)


def test_a_correction_that_comes_after_its_second_has_left_the_window_changes_nothing(money: Database) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, tpm=100)
    money.set_clock(NOW)
    slow = Request(account, key, tpm_tokens=80)
    money.admit(process, slow)
    money.set_clock(NOW + seconds(61))  # this second uses the slot that the slow request's second had
    money.admit(process, Request(account, key, tpm_tokens=70))
    money.settle(Ending(slow.id, account, key, tpm_tokens=5))
    assert money.limiter(key).tokens_in_window == 70


@pytest.mark.parametrize("wait_s", [61, 300])
def test_what_a_long_request_used_beyond_its_reserve_counts_when_it_ends(money: Database, wait_s: int) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, tpm=100)
    money.set_clock(NOW)
    slow = Request(account, key, tpm_tokens=30)
    money.admit(process, slow)
    money.set_clock(NOW + seconds(wait_s))
    money.settle(Ending(slow.id, account, key, tpm_tokens=95))
    assert money.limiter(key).tokens_in_window == 65
    refused = money.admit(process, Request(account, key, tpm_tokens=36))[0]
    assert (refused.code, refused.tpm_left, refused.retry_after) == (TOKENS, 35, 61)
    assert money.admit(process, Request(account, key, tpm_tokens=35))[0].code == ADMITTED


@pytest.mark.parametrize("step", [-1, -59])
def test_a_small_step_back_of_the_clock_gives_nothing_away_and_says_how_long_to_wait(money: Database, step: int) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, rpm=1, tpm=10)
    money.set_clock(NOW)
    money.admit(process, Request(account, key, tpm_tokens=10))
    money.set_clock(NOW + seconds(step))
    assert money.admit(process, Request(account, key))[0].retry_after == 61 - step
    money.run("UPDATE api_keys_apikey SET rpm = NULL WHERE id = %s", (key,))
    refused = money.admit(process, Request(account, key, tpm_tokens=1))[0]
    assert (refused.code, refused.retry_after) == (TOKENS, 61 - step)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_large_step_of_the_clock_starts_the_window_afresh(money: Database, step: int) -> None:
    account, process = money.account(10), money.register()
    key = money.key(account, rpm=1)
    money.set_clock(NOW)
    money.admit(process, Request(account, key))
    money.set_clock(NOW + seconds(step))
    assert [d.code for d in money.admit(process, Request(account, key), Request(account, key))] == [ADMITTED, REQUESTS]
