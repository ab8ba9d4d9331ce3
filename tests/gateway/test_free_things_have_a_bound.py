"""Promise: what is free is free up to a generous bound for each key, which comes back steadily, and neither others nor memory suffer from it."""

from __future__ import annotations

import pytest

from apps.gateway import allowance as module
from apps.gateway.allowance import MOST_REMEMBERED, Allowance
from tests.gateway.clock import Clock, standing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return standing(monkeypatch, module)


@pytest.mark.parametrize("per_minute", [1, 7, 60, 3_000])
def test_all_at_once_then_as_it_comes_back(clock: Clock, per_minute: int) -> None:
    allowance = Allowance[int](per_minute, per_minute / 60)
    assert [allowance.take(1) for _ in range(per_minute)] == [0] * per_minute
    wait_s = allowance.take(1)
    assert wait_s == max(1, -(-60 // per_minute))
    assert allowance.take(2) == 0, "another key has all of its own"
    clock.now += wait_s
    assert allowance.take(1) == 0


def test_a_refusal_uses_nothing(clock: Clock) -> None:
    allowance = Allowance[int](60, 60 / 60)
    for _ in range(60):
        allowance.take(1)
    assert [allowance.take(1) for _ in range(1_000)] == [1] * 1_000
    clock.now += 1
    assert allowance.take(1) == 0
    assert allowance.take(1) == 1


def test_a_minute_later_all_of_it_is_there_and_no_more(clock: Clock) -> None:
    allowance = Allowance[int](7, 7 / 60)
    for _ in range(3):
        assert [bool(allowance.take(1)) for _ in range(9)] == [False] * 7 + [True] * 2
        clock.now += 600


def test_it_remembers_so_many_keys_and_no_more(clock: Clock) -> None:
    allowance = Allowance[int](1, 1 / 60)
    for key in range(MOST_REMEMBERED + 5):
        assert allowance.take(key) == 0
    assert len(allowance) == MOST_REMEMBERED
    assert allowance.take(MOST_REMEMBERED) > 0, "the latest are remembered"
