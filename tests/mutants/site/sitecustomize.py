"""Runs at the start of every interpreter of a mutant's test: see tests/mutants/overlay.py."""

from tests.mutants.overlay import install_python

install_python()
