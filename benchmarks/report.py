"""Results as Markdown that reads well on a terminal too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

BEGIN, END = "<!-- results: begin (written by make bench) -->", "<!-- results: end -->"


@dataclass
class Section:
    """One table with what there is to say about it. The first column is text, the others are figures."""

    title: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        lines = [f"### {self.title[0].upper()}{self.title[1:]}", "", *table(self.header, self.rows)]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns are aligned in plain text as well."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        shown = [
            cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(shown) + " |"

    rule = [("-" * (width + 1) + ("-" if column == 0 else ":")) for column, width in enumerate(widths)]
    return [line(header), "|" + "|".join(rule) + "|", *(line(row) for row in rows)]


def insert(document: str, results: str, begin: str = BEGIN, end: str = END) -> str:
    """The document with `results` between its two markers. Raises ValueError when it has none."""
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the document lacks the markers {begin} and {end}")
    return f"{before}{begin}\n\n{results.strip()}\n\n{end}{after}"
