"""Promise: requests are spread by weight over backends in rotation; a dead one leaves by itself and comes back by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.snapshot import BackendEntry
from apps.gateway import balancer as module
from apps.gateway.balancer import ERRORS_TO_EJECT, FIRST_PAUSE_S, LONGEST_PAUSE_S, Balancer
from tests.gateway.clock import Clock, standing

ENTRY = BackendEntry(1, "http://one/v1", "", "m", 1, None, 5.0, 5.0, 5.0, None)


def backends(*weights: int, **fields: object) -> list[BackendEntry]:
    return [replace(ENTRY, id=number, weight=weight, **fields) for number, weight in enumerate(weights, 1)]  # type: ignore[arg-type]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return standing(monkeypatch, module)


def fail(balancer: Balancer, backend: BackendEntry, others: list[BackendEntry], times: int = ERRORS_TO_EJECT) -> None:
    for _ in range(times):
        balancer.failed(backend, others)


@given(weights=st.lists(st.integers(1, 20), min_size=1, max_size=5), rounds=st.integers(1, 4))
def test_open_requests_are_shared_exactly_by_weight(weights: list[int], rounds: int) -> None:
    """Whenever a multiple of the weights' sum is open, each backend has its exact share."""
    balancer, all_of_them = Balancer(), backends(*weights)
    for _ in range(rounds):
        for _ in range(sum(weights)):
            chosen = balancer.choose(all_of_them)
            assert chosen is not None
            balancer.begin(chosen)
        shares = {backend.id: balancer.outstanding(backend) / backend.weight for backend in all_of_them}
        assert len(set(shares.values())) == 1


def test_requests_one_after_another_are_shared_by_weight_too() -> None:
    balancer, all_of_them = Balancer(), backends(1, 3)
    chosen = Counter(choice.id for _ in range(2_000) if (choice := balancer.choose(all_of_them)))
    assert 0.18 < chosen[1] / 2_000 < 0.32  # a quarter; a wrong answer once in 10^12 runs


def test_a_backend_gets_no_more_than_its_concurrency() -> None:
    balancer, [backend] = Balancer(), backends(1, max_concurrency=2)
    for _ in range(2):
        assert balancer.choose([backend]) == backend
        balancer.begin(backend)
    assert balancer.choose([backend]) is None
    balancer.end(backend)
    assert balancer.choose([backend]) == backend


def test_a_backend_that_was_tried_is_not_chosen_again() -> None:
    balancer, [one, two] = Balancer(), backends(1, 1)
    assert balancer.choose([one, two], tried=[1]) == two
    assert balancer.choose([one, two], tried=[1, 2]) is None


class TestABackendThatCannotBeReached:
    def test_is_out_at_once_even_alone_and_back_by_itself(self, clock: Clock) -> None:
        balancer, [backend] = Balancer(), backends(1)
        balancer.unreachable(backend)
        assert balancer.choose([backend]) is None
        clock.now += FIRST_PAUSE_S
        assert balancer.choose([backend]) == backend

    def test_is_left_alone_for_longer_each_time_up_to_a_bound(self, clock: Clock) -> None:
        balancer, [backend] = Balancer(), backends(1)
        pauses = []
        for _ in range(8):
            balancer.unreachable(backend)
            begin = clock.now
            while balancer.choose([backend]) is None:
                clock.now += 0.25
            pauses.append(clock.now - begin)
        assert pauses == [0.5, 1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]

    def test_begins_anew_with_a_short_pause_after_it_answered(self, clock: Clock) -> None:
        balancer, [backend] = Balancer(), backends(1)
        for _ in range(3):
            balancer.unreachable(backend)
            clock.now += LONGEST_PAUSE_S
        balancer.answered(backend)
        balancer.unreachable(backend)
        clock.now += FIRST_PAUSE_S
        assert balancer.choose([backend]) == backend

    def test_counts_once_for_all_requests_that_were_under_way_together(self, clock: Clock) -> None:
        balancer, [backend] = Balancer(), backends(1)
        for _ in range(20):
            balancer.unreachable(backend)
        clock.now += FIRST_PAUSE_S
        assert balancer.choose([backend]) == backend


class TestABackendThatAnswersWithErrors:
    def test_is_out_after_several_in_a_row(self, clock: Clock) -> None:
        balancer, [one, two] = Balancer(), backends(1, 1)
        fail(balancer, one, [one, two], ERRORS_TO_EJECT - 1)
        assert {choice.id for _ in range(50) if (choice := balancer.choose([one, two]))} == {1, 2}
        fail(balancer, one, [one, two], 1)
        assert {choice.id for _ in range(50) if (choice := balancer.choose([one, two]))} == {2}
        clock.now += FIRST_PAUSE_S
        assert {choice.id for _ in range(50) if (choice := balancer.choose([one, two]))} == {1, 2}

    def test_begins_to_count_anew_after_a_good_answer(self, clock: Clock) -> None:
        balancer, [one, two] = Balancer(), backends(1, 1)
        for _ in range(5):
            fail(balancer, one, [one, two], ERRORS_TO_EJECT - 1)
            balancer.answered(one)
        assert balancer.choose([one, two], tried=[2]) == one

    def test_stays_when_it_is_the_last_one(self, clock: Clock) -> None:
        balancer, [one, two] = Balancer(), backends(1, 1)
        fail(balancer, one, [one], 100)
        assert balancer.choose([one]) == one
        balancer.unreachable(two)
        fail(balancer, one, [one, two], 100)
        assert balancer.choose([one, two]) == one


class TestWhatTheProbeSays:
    def test_takes_a_backend_out_while_there_are_others(self) -> None:
        balancer, [one, two] = Balancer(), backends(1, 1)
        one = replace(one, probe_ok=False)
        assert {choice.id for _ in range(50) if (choice := balancer.choose([one, two]))} == {2}
        assert balancer.choose([one, two], tried=[2]) is None

    def test_does_not_take_out_the_only_one(self) -> None:
        balancer, [one] = Balancer(), backends(1, probe_ok=False)
        assert balancer.choose([one]) == one

    def test_does_not_take_out_all_there_are(self, clock: Clock) -> None:
        balancer, [one, two, three] = Balancer(), backends(1, 1, 1, probe_ok=False)
        assert {choice.id for _ in range(100) if (choice := balancer.choose([one, two, three]))} == {1, 2, 3}
        balancer.unreachable(one)  # this we know of our own
        assert {choice.id for _ in range(50) if (choice := balancer.choose([one, two, three]))} == {2, 3}
        assert balancer.choose([one, two, three], tried=[2]) == three

    def test_does_not_matter_when_the_others_cannot_be_reached(self, clock: Clock) -> None:
        balancer, [one, two] = Balancer(), backends(1, 1)
        one = replace(one, probe_ok=False)
        balancer.unreachable(two)
        assert balancer.choose([one, two]) == one
        clock.now += FIRST_PAUSE_S
        assert balancer.choose([one, two]) == two

    def test_does_not_count_as_another_backend_in_rotation(self) -> None:
        balancer, [one, two] = Balancer(), backends(1, 1)
        dead = replace(two, probe_ok=False)
        fail(balancer, one, [one, dead], 100)
        assert balancer.choose([one, dead]) == one
