"""Requests a minute, tokens a minute and requests at a time hold exactly, over processes and within a batch; a refusal uses up nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.database import ADMITTED, CONCURRENCY, CREDIT, REQUESTS, TOKENS, Database, Ending, Request, costing, utc

pytest_plugins = ["tests.gateway.fixtures"]

NOW = utc(2028, 2, 29, 23, 59, 50)


@pytest.fixture
def processes(money: Database) -> tuple[int, int]:
    money.set_clock(NOW)
    return money.register(), money.register()


def codes(money: Database, processes: tuple[int, int], *requests: Request) -> list[int]:
    """The decisions when the two processes take turns."""
    return [money.admit(processes[i % 2], request)[0].code for i, request in enumerate(requests)]


@pytest.mark.parametrize(
    ("limit", "tokens", "refusal"),
    [({"rpm": 4}, 0, REQUESTS), ({"tpm": 49}, 12, TOKENS), ({"max_concurrent": 4}, 0, CONCURRENCY)],
    ids=["RPM", "TPM", "slots"],
)
@pytest.mark.parametrize("batched", [True, False])
def test_exactly_as_many_are_admitted_as_the_limit_says(
    money: Database, processes: tuple[int, int], limit: Any, tokens: int, refusal: int, batched: bool
) -> None:
    account = money.account(1000)
    key, other = money.key(account, **limit), money.key(account)
    requests = [Request(account, key, tpm_tokens=tokens) for _ in range(7)]
    got = [d.code for d in money.admit(processes[0], *requests)] if batched else codes(money, processes, *requests)
    assert got == [ADMITTED] * 4 + [refusal] * 3
    assert money.admit(processes[0], Request(account, other))[0].code == ADMITTED  # limits are a key's own
    assert money.admit(processes[0], Request(account))[0].code == ADMITTED  # and the Playground has none


def test_a_refused_request_uses_up_nothing(money: Database, processes: tuple[int, int]) -> None:
    account = money.account(10)
    key = money.key(account, rpm=3, tpm=100, max_concurrent=2)
    assert money.admit(processes[0], Request(account, key, tpm_tokens=60))[0].code == ADMITTED
    before = money.limiter(key)
    for request, code in ((Request(account, key, tpm_tokens=41), TOKENS), (costing(account, 11, key, tpm_tokens=1), CREDIT)):
        for _ in range(10):
            assert money.admit(processes[1], request)[0].code == code
    assert money.limiter(key) == before
    assert money.admit(processes[1], Request(account, key, tpm_tokens=1))[0].code == ADMITTED
    for _ in range(10):
        assert money.admit(processes[0], Request(account, key, tpm_tokens=1))[0].code == CONCURRENCY
    assert (money.limiter(key).requests_in_window, money.limiter(key).tokens_in_window, money.limiter(key).open) == (2, 61, 2)
    assert money.pools(account) == [(10, 0)]


def test_a_request_refused_beside_an_admitted_one_uses_up_nothing(money: Database, processes: tuple[int, int]) -> None:
    account = money.account(10)
    key = money.key(account, rpm=5, tpm=100, max_concurrent=5)
    batch = [costing(account, nano, key, tpm_tokens=7) for nano in (8, 8, 2)]
    assert [d.code for d in money.admit(processes[0], *batch)] == [ADMITTED, CREDIT, ADMITTED]
    assert (money.limiter(key).requests_in_window, money.limiter(key).tokens_in_window, money.limiter(key).open) == (2, 14, 2)


def test_the_estimate_is_reserved_at_admission_and_corrected_at_settlement(money: Database, processes: tuple[int, int]) -> None:
    account = money.account(10)
    key = money.key(account, tpm=100)
    first, second = Request(account, key, tpm_tokens=70), Request(account, key, tpm_tokens=40)
    assert codes(money, processes, first, second) == [ADMITTED, TOKENS]
    money.settle(Ending(first.id, account, key, tpm_tokens=60))
    assert money.admit(processes[1], second)[0].code == ADMITTED
    money.settle(Ending(second.id, account, key, tpm_tokens=55))  # the backend wrote more than was reserved
    assert money.limiter(key).tokens_in_window == 115
    decision = money.admit(processes[0], Request(account, key, tpm_tokens=1))[0]
    assert (decision.code, decision.tpm_left) == (TOKENS, 0)


def test_a_burst_passes_the_token_limit_by_no_more_than_what_its_own_requests_write_beyond_their_estimate(
    money: Database, processes: tuple[int, int]
) -> None:
    account = money.account(10)
    key = money.key(account, tpm=100)
    burst = [Request(account, key, tpm_tokens=30) for _ in range(20)]
    assert codes(money, processes, *burst).count(ADMITTED) == 3
    money.settle(*(Ending(r.id, account, key, tpm_tokens=35) for r in burst[:3]))
    assert money.limiter(key).tokens_in_window == 3 * 35


def test_a_request_larger_than_the_token_limit_can_run_alone(money: Database, processes: tuple[int, int]) -> None:
    account = money.account(10)
    key = money.key(account, tpm=100)
    assert codes(money, processes, *(Request(account, key, tpm_tokens=10_000) for _ in range(2))) == [ADMITTED, TOKENS]
    assert money.limiter(key).tokens_in_window == 100


@pytest.mark.parametrize("logged", [True, False], ids=["settled", "released"])
def test_a_slot_comes_back_when_its_request_ends(money: Database, processes: tuple[int, int], logged: bool) -> None:
    account = money.account(10)
    key = money.key(account, tpm=50, max_concurrent=1)
    first, second = Request(account, key, tpm_tokens=50), Request(account, key, tpm_tokens=50)
    assert codes(money, processes, first, second) == [ADMITTED, TOKENS]
    money.settle(Ending(first.id, account, key, logged=logged))
    assert money.admit(processes[1], second)[0].code == ADMITTED
    for _ in range(3):  # ending twice frees no second slot
        money.settle(Ending(first.id, account, key, logged=logged))
    assert money.limiter(key).open == 1


def test_slots_are_counted_again_from_the_holds_when_a_crash_emptied_the_counters(money: Database, processes: tuple[int, int]) -> None:
    account = money.account(10)
    key = money.key(account, max_concurrent=2)
    first = Request(account, key)
    money.admit(processes[0], first)
    money.run("DELETE FROM api_keys_limiter WHERE key_id = %s", (key,))  # what a crash does to an UNLOGGED table
    assert codes(money, processes, Request(account, key), Request(account, key)) == [ADMITTED, CONCURRENCY]
    money.settle(Ending(first.id, account, key))
    assert money.admit(processes[0], Request(account, key))[0].code == ADMITTED


def test_the_answer_says_what_is_left_and_only_of_limits_the_key_has(money: Database, processes: tuple[int, int]) -> None:
    account = money.account(10)
    limited, unlimited = money.key(account, rpm=5, tpm=100, max_concurrent=3), money.key(account)
    decision = money.admit(processes[0], Request(account, limited, tpm_tokens=30))[0]
    assert (decision.rpm, decision.rpm_left, decision.tpm, decision.tpm_left, decision.max_concurrent) == (5, 4, 100, 70, 3)
    decision = money.admit(processes[0], Request(account, unlimited, tpm_tokens=30))[0]
    assert (decision.rpm, decision.rpm_left, decision.tpm, decision.tpm_left, decision.max_concurrent) == (None,) * 5
