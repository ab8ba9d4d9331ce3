"""A mutant has a name of its own and still finds the text that it replaces."""

from __future__ import annotations

import pytest

from tests.mutants.guards import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.overlay import ROOT


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.file], ids=lambda mutant: mutant.name)
def test_each_still_finds_its_text(mutant: Mutant) -> None:
    assert mutant.apply((ROOT / mutant.file).read_text()) != (ROOT / mutant.file).read_text()
