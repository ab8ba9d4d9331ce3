"""With a guard of outages switched off, each of the tests that keep its promise fails. `-m "not slow_mutants"` leaves these out."""

from __future__ import annotations

import pytest

from tests.mutants.guards.outages import OUTAGE_GUARDS
from tests.mutants.mutant import Mutant
from tests.mutants.runner import TIMEOUT_S, notices


@pytest.mark.slow_mutants
@pytest.mark.timeout(TIMEOUT_S + 20)
@pytest.mark.parametrize("mutant", OUTAGE_GUARDS, ids=lambda mutant: mutant.name)
def test_a_guard_that_is_switched_off_is_noticed(mutant: Mutant) -> None:
    notices(mutant)
