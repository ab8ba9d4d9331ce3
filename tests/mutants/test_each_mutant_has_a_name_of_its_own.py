"""A mutant is asked for by its name."""

from __future__ import annotations

from tests.mutants.guards import MUTANTS


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
