"""Every guard of money and limits is watched: with the guard off, each of its tests fails.

Three minutes on two cores: `-m "not slow_mutants"` leaves them out.
"""

from __future__ import annotations

import pytest

from tests.mutants.mutants import MUTANTS, Mutant
from tests.mutants.runner import TIMEOUT_S, run


@pytest.mark.slow_mutants
@pytest.mark.timeout(TIMEOUT_S + 20)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_guard_that_is_switched_off_is_noticed(mutant: Mutant) -> None:
    result = run(mutant)
    assert result.caught, f"{mutant.guard}: {result}\n{result.output[-6_000:]}"


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
