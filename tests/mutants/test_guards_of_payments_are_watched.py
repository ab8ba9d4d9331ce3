"""With a guard of payments switched off, each of the tests that keep its promise fails. `-m "not slow_mutants"` leaves these out."""

from __future__ import annotations

import pytest

from tests.mutants.guards.payments import PAYMENT_GUARDS
from tests.mutants.mutant import Mutant
from tests.mutants.runner import TIMEOUT_S, notices


@pytest.mark.slow_mutants
@pytest.mark.timeout(TIMEOUT_S + 20)
@pytest.mark.parametrize("mutant", PAYMENT_GUARDS, ids=lambda mutant: mutant.name)
def test_a_guard_that_is_switched_off_is_noticed(mutant: Mutant) -> None:
    notices(mutant)
