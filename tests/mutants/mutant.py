"""A change that switches a guard off, and the tests that must notice.

A mutant replaces one exact text of a file of the product, or runs a statement on the test database (for guards that live in migrations).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`tests` are node ids of pytest, without parameters; with the guard off each of them must fail."""

    name: str
    guard: str
    tests: tuple[str, ...]
    file: str = ""
    old: str = ""
    new: str = ""
    statement: str = ""

    def apply(self, text: str) -> str:
        """The file's text with the guard off. Raises ValueError when the text to replace is not there exactly once."""
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"mutant {self.name}: {self.file} has its text {found} times, it must be there once:\n{self.old}")
        return text.replace(self.old, self.new)
