"""A mutant has a name of its own, still finds the text that it replaces, and names tests that exist; `make mutants` runs all of them."""

from __future__ import annotations

import re

import pytest

from tests.mutants.guards import MUTANTS, by_name
from tests.mutants.mutant import Mutant
from tests.mutants.overlay import ROOT
from tests.mutants.runner import TIMEOUT_S, run


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.file], ids=lambda mutant: mutant.name)
def test_each_still_finds_its_text(mutant: Mutant) -> None:
    assert mutant.apply((ROOT / mutant.file).read_text()) != (ROOT / mutant.file).read_text()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_names_tests_that_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text()
        for name in names:
            assert re.search(rf"^\s*(?:async def|def|class) {name}\b", text, re.MULTILINE), test


@pytest.mark.timeout(TIMEOUT_S)
def test_a_guard_of_sql_and_one_of_python_are_noticed() -> None:
    for name in ("no-credit-check", "hiccups-are-written-down"):
        result = run(by_name(name))
        assert result.caught, f"{result}\n{result.output[-6_000:]}"
